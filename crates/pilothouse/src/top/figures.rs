//! Numbers as the console shows them: three figures that mean something.

/// Where there is no number.
pub(super) const NONE: &str = "–";

/// `0.042`, `1.23`, `987`, `12.3k`.
pub(super) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else {
        return NONE.to_owned();
    };
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1e9 => format!("{}G", figures(value / 1e9)),
        size if size >= 1e6 => format!("{}M", figures(value / 1e6)),
        size if size >= 1e4 => format!("{}k", figures(value / 1e3)),
        size if size < 1e-3 => format!("{value:.1e}"),
        _ => figures(value),
    }
}

/// Of seconds: `3.2 ms`, `1.24 s`, `5 min`.
pub(super) fn duration(seconds: Option<f64>) -> String {
    let Some(s) = seconds.filter(|v| v.is_finite()) else {
        return NONE.to_owned();
    };
    match s.abs() {
        0.0 => "0 ms".to_owned(),
        size if size < 1e-3 => format!("{} µs", figures(s * 1e6)),
        size if size < 1.0 => format!("{} ms", figures(s * 1e3)),
        size if size < 120.0 => format!("{} s", figures(s)),
        size if size < 7_200.0 => format!("{:.0} min", s / 60.0),
        size if size < 172_800.0 => format!("{} h", trimmed(format!("{:.1}", s / 3_600.0))),
        _ => format!("{} d", trimmed(format!("{:.1}", s / 86_400.0))),
    }
}

/// `12.3 MiB`.
pub(super) fn bytes(value: Option<f64>) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let Some(mut size) = value.filter(|v| v.is_finite()) else {
        return NONE.to_owned();
    };
    let mut unit = 0;
    while size.abs() >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", figures(size), UNITS[unit])
}

/// `0.42 %`.
pub(super) fn percent(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value.filter(|v| v.is_finite()) else {
        return NONE.to_owned();
    };
    format!("{} %", trimmed(format!("{value:.digits$}")))
}

fn figures(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => trimmed(format!("{value:.1}")),
        size if size >= 1.0 => trimmed(format!("{value:.2}")),
        0.0 => "0".to_owned(),
        size => {
            let digits = (1.0 - size.log10().floor()) as usize;
            trimmed(format!("{value:.digits$}"))
        }
    }
}

fn trimmed(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same values as the console's own test has.
    #[test]
    fn figures_are_few() {
        let numbers = [
            0.0, 0.042, 1.234, 12.34, 987.0, 12_345.0, 1.5e6, 2e9, 0.000_04,
        ];
        let shown = numbers.map(|value| number(Some(value)));
        let want = [
            "0", "0.042", "1.23", "12.3", "987", "12.3k", "1.5M", "2G", "4.0e-5",
        ];
        assert_eq!(shown, want);
        assert_eq!(number(None), NONE);
        assert_eq!(number(Some(f64::NAN)), NONE);
    }

    #[test]
    fn units() {
        let seconds = [0.0, 0.000_25, 0.003_2, 1.24, 300.0, 9_000.0, 200_000.0];
        let shown = seconds.map(|value| duration(Some(value)));
        let want = [
            "0 ms", "250 µs", "3.2 ms", "1.24 s", "5 min", "2.5 h", "2.3 d",
        ];
        assert_eq!(shown, want);
        assert_eq!(bytes(Some(12.34 * 1_048_576.0)), "12.3 MiB");
        assert_eq!(bytes(Some(0.0)), "0 B");
        assert_eq!(percent(Some(99.95), 3), "99.95 %");
        assert_eq!(percent(Some(100.0), 3), "100 %");
    }
}
