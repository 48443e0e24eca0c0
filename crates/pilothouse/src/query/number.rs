//! Numbers for people.

/// At most five digits that count, with `k`, `M`, `G`, `T` for what is large and an exponent for what is tiny.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_owned()
        } else if value > 0.0 {
            "+Inf".to_owned()
        } else {
            "-Inf".to_owned()
        };
    }
    let size = value.abs();
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    if size >= 1e15 || (size > 0.0 && size < 1e-4) {
        return format!("{value:.2e}");
    }
    for (factor, unit) in units {
        if size >= factor {
            let factor = if unit == "k" { 1e3 } else { factor };
            return format!("{}{unit}", trimmed(value / factor, 2));
        }
    }
    let decimals = match size {
        s if s >= 100.0 => 1,
        s if s >= 1.0 => 3,
        s if s >= 0.01 => 4,
        _ => 6,
    };
    trimmed(value, decimals)
}

/// With so many decimals, less the zeros at the end.
pub(super) fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers() {
        #[track_caller]
        fn check(value: f64, want: &str) {
            assert_eq!(short(value), want);
        }
        check(0.0, "0");
        check(-0.0, "0");
        check(12.0, "12");
        check(1.0 / 3.0, "0.3333");
        check(1234.5678, "1234.6");
        check(9_999.0, "9999");
        check(12_345.0, "12.35k");
        check(-2_500_000.0, "-2.5M");
        check(3e9, "3G");
        check(7e13, "70T");
        check(2e17, "2.00e17");
        check(0.0012, "0.0012");
        check(0.000_012, "1.20e-5");
        check(f64::NAN, "NaN");
        check(f64::NEG_INFINITY, "-Inf");
    }
}
