//! The canonical form of RFC 8785: one text for one value, whatever its spelling was.

use super::json::{Fault, Json};
use std::fmt::Write as _;

/// The canonical form of a JSON text: no white space, keys in the order of their UTF-16 code units, numbers
/// as ECMAScript writes doubles.
///
/// # Errors
/// [`Fault`]: the text is no I-JSON, or nested too deeply.
pub fn canonical(text: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(text.len());
    write(&Json::read(text)?, &mut out);
    Ok(out)
}

pub(super) fn write(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => write_number(*number, out),
        Json::Text(text) => write_text(text, out),
        Json::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => write_members(members.iter(), out),
    }
}

/// An object of these members.
pub(super) fn write_members<'a>(
    members: impl Iterator<Item = &'a (Box<str>, Json)>,
    out: &mut String,
) {
    let mut members: Vec<_> = members.collect();
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (i, (key, value)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(key, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

pub(super) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            // Writing to a String does not fail.
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// ECMAScript's `Number::toString`: the shortest digits that give the same double, of those the closest, of two
/// that are equally close the even one; then it is a matter of where the point goes.
fn write_number(number: f64, out: &mut String) {
    if number == 0.0 {
        // Minus zero, too.
        out.push('0');
        return;
    }
    let shortest = shortest(number.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // `0.digits * 10^point`.
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    if number < 0.0 {
        out.push('-');
    }
    if count <= point && point <= 21 {
        out.push_str(&digits);
        out.push_str(&zeros(point - count));
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else if -6 < point && point <= 0 {
        out.push_str("0.");
        out.push_str(&zeros(-point));
        out.push_str(&digits);
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        // Writing to a String does not fail.
        let _ = write!(out, "e{exponent:+}");
    }
}

/// As `1.25e-7`. `{:e}` has the right count of digits, and of two that are equally close the greater one;
/// `{:.n$e}` has the even one, and at a power of two perhaps one that is another double.
fn shortest(number: f64) -> String {
    let greater = format!("{number:e}");
    let digits = greater.bytes().take_while(|b| *b != b'e');
    let digits = digits.filter(u8::is_ascii_digit).count();
    let even = format!("{number:.*e}", digits - 1);
    if even.parse() == Ok(number) {
        even
    } else {
        greater
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn number(bits: u64, want: &str) {
        let mut got = String::new();
        write_number(f64::from_bits(bits), &mut got);
        assert_eq!(got, want, "{bits:016x}");
    }

    /// RFC 8785, appendix B; NaN and the infinities have no JSON text to come from.
    #[test]
    fn numbers_are_those_of_the_rfc() {
        number(0x0000_0000_0000_0000, "0");
        number(0x8000_0000_0000_0000, "0");
        number(0x0000_0000_0000_0001, "5e-324");
        number(0x8000_0000_0000_0001, "-5e-324");
        number(0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308");
        number(0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308");
        number(0x4340_0000_0000_0000, "9007199254740992");
        number(0xc340_0000_0000_0000, "-9007199254740992");
        number(0x4430_0000_0000_0000, "295147905179352830000");
        number(0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22");
        number(0x44b5_2d02_c7e1_4af6, "1e+23");
        number(0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23");
        number(0x444b_1ae4_d6e2_ef4e, "999999999999999700000");
        number(0x444b_1ae4_d6e2_ef4f, "999999999999999900000");
        number(0x444b_1ae4_d6e2_ef50, "1e+21");
        number(0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7");
        number(0x3eb0_c6f7_a0b5_ed8d, "0.000001");
        number(0x41b3_de43_5555_5553, "333333333.3333332");
        number(0x41b3_de43_5555_5554, "333333333.33333325");
        number(0x41b3_de43_5555_5555, "333333333.3333333");
        number(0x41b3_de43_5555_5556, "333333333.3333334");
        number(0x41b3_de43_5555_5557, "333333333.33333343");
        number(0xbecb_f647_612f_3696, "-0.0000033333333333333333");
        number(0x4314_3ff3_c1cb_0959, "1424953923781206.2");
    }

    /// RFC 8785, section 3.2.
    #[test]
    fn the_example_of_the_rfc() {
        let text = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let want = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(canonical(text).unwrap(), want);
    }

    /// RFC 8785, section 3.2.3: UTF-16 puts a pair of surrogates before U+FB33.
    #[test]
    fn keys_are_sorted_as_utf16() {
        let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let want = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(canonical(text).unwrap(), want);
    }

    #[test]
    fn spelling_does_not_matter_and_order_of_lists_does() {
        let one = canonical(r#"{"b":[1.0,"\u0041"],"a":{}}"#).unwrap();
        assert_eq!(one, canonical("{\"a\" : {},\"b\":[1e0, \"A\"]}").unwrap());
        assert_ne!(one, canonical(r#"{"a":{},"b":["A",1]}"#).unwrap());
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            any::<f64>()
                .prop_filter("finite", |n| n.is_finite())
                .prop_map(Json::Number),
            ".{0,12}".prop_map(|s: String| Json::Text(s.into())),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let members = prop::collection::btree_map(".{0,4}", inner.clone(), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Json::List),
                members.prop_map(|m| Json::Object(
                    m.into_iter().map(|(k, v)| (k.into(), v)).collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_form_is_its_own_form_and_means_the_same(value in json()) {
            let mut form = String::new();
            write(&value, &mut form);
            prop_assert_eq!(&canonical(&form).unwrap(), &form);
            let theirs: serde_json::Value = serde_json::from_str(&form).unwrap();
            let spelled = serde_json::to_string_pretty(&theirs).unwrap();
            // serde_json reads some doubles one bit off, and writes -0.0; texts without numbers are told exactly.
            if !form.contains(|c: char| c.is_ascii_digit()) {
                prop_assert_eq!(canonical(&spelled).unwrap(), form);
            }
        }

        #[test]
        fn any_text_is_json_or_a_fault(text in "\\PC{0,64}") {
            let ours = canonical(&text).is_ok();
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert!(!ours || theirs, "{text}");
        }
    }
}
