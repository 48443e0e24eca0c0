//! Answers as JSON: values as text, times as seconds with a fraction.

use super::error::PromError;
use ph_promql::{Annotation, Labels, Sample, Series, Severity, Value};
use std::fmt::Write;

/// Longest answer, in bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The success envelope around `data`, which is JSON.
pub(crate) fn success(data: &str, annotations: &[Annotation]) -> String {
    let mut out = String::with_capacity(data.len() + 64);
    out.push_str("{\"status\":\"success\",\"data\":");
    out.push_str(data);
    remarks(&mut out, "warnings", annotations, Severity::Warning);
    remarks(&mut out, "infos", annotations, Severity::Info);
    out.push('}');
    out
}

fn remarks(out: &mut String, name: &str, annotations: &[Annotation], severity: Severity) {
    let texts = annotations
        .iter()
        .filter(|annotation| annotation.severity == severity);
    let mut before = '[';
    for annotation in texts {
        if before == '[' {
            let _ = write!(out, ",\"{name}\":");
        }
        out.push(before);
        json_text(out, &annotation.text);
        before = ',';
    }
    if before == ',' {
        out.push(']');
    }
}

/// The value of a query: `{"resultType":…,"result":…}`; at most `series_max` series when that is given,
/// and whether there were more.
pub(crate) fn value(value: &Value, series_max: Option<usize>) -> Result<(String, bool), PromError> {
    let mut out = String::new();
    let series_max = series_max.unwrap_or(usize::MAX);
    let cut = match value {
        Value::Scalar(sample) => {
            out.push_str("{\"resultType\":\"scalar\",\"result\":");
            point(&mut out, *sample);
            false
        }
        Value::String(t_ms, text) => {
            out.push_str("{\"resultType\":\"string\",\"result\":[");
            seconds(&mut out, *t_ms);
            out.push(',');
            json_text(&mut out, text);
            out.push(']');
            false
        }
        Value::Vector(vector) => {
            out.push_str("{\"resultType\":\"vector\",\"result\":[");
            for (i, (labels, sample)) in vector.iter().take(series_max).enumerate() {
                comma(&mut out, i);
                out.push_str("{\"metric\":");
                self::labels(&mut out, labels);
                out.push_str(",\"value\":");
                point(&mut out, *sample);
                out.push('}');
                bounded(&out)?;
            }
            out.push(']');
            vector.len() > series_max
        }
        Value::Matrix(matrix) => {
            out.push_str("{\"resultType\":\"matrix\",\"result\":[");
            for (i, series) in matrix.iter().take(series_max).enumerate() {
                comma(&mut out, i);
                row(&mut out, series)?;
            }
            out.push(']');
            matrix.len() > series_max
        }
    };
    out.push('}');
    Ok((out, cut))
}

fn row(out: &mut String, series: &Series) -> Result<(), PromError> {
    out.push_str("{\"metric\":");
    labels(out, &series.labels);
    out.push_str(",\"values\":[");
    for (i, sample) in series.samples.iter().enumerate() {
        comma(out, i);
        point(out, *sample);
        if i % 1024 == 0 {
            bounded(out)?;
        }
    }
    out.push_str("]}");
    bounded(out)
}

/// Fails when `out` is too long already.
pub(crate) fn bounded(out: &str) -> Result<(), PromError> {
    if out.len() > ANSWER_BYTES_MAX {
        Err(PromError::too_long(ANSWER_BYTES_MAX))
    } else {
        Ok(())
    }
}

pub(crate) fn comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// `{"name":"value",…}`
pub(crate) fn labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        comma(out, i);
        json_text(out, name);
        out.push(':');
        json_text(out, value);
    }
    out.push('}');
}

/// `[seconds,"value"]`
fn point(out: &mut String, sample: Sample) {
    out.push('[');
    seconds(out, sample.t_ms);
    out.push_str(",\"");
    number(out, sample.v);
    out.push_str("\"]");
}

/// Milliseconds as seconds, with three decimals unless they are zero.
pub(crate) fn seconds(out: &mut String, t_ms: i64) {
    if t_ms < 0 {
        out.push('-');
    }
    let ms = t_ms.unsigned_abs();
    let _ = write!(out, "{}", ms / 1000);
    if !ms.is_multiple_of(1000) {
        let _ = write!(out, ".{:03}", ms % 1000);
    }
}

/// A float as Go writes it for Prometheus: the shortest text that reads back, with an exponent only
/// for what is very large or very small.
pub(crate) fn number(out: &mut String, v: f64) {
    let size = v.abs();
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{v:e}");
        match text.split_once('e') {
            // Go has a sign there, and no leading zero in a negative exponent.
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                let _ = write!(out, "{mantissa}e+{exponent}");
            }
            _ => out.push_str(&text),
        }
    } else {
        let _ = write!(out, "{v}");
    }
}

/// `text` as a JSON string.
pub(crate) fn json_text(out: &mut String, text: &str) {
    out.push('"');
    let mut done = 0;
    for (at, c) in text.char_indices() {
        if c >= ' ' && c != '"' && c != '\\' && c != '\u{7f}' {
            continue;
        }
        out.push_str(&text[done..at]);
        done = at + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out.push_str(&text[done..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(v: f64) -> String {
        let mut out = String::new();
        number(&mut out, v);
        out
    }

    /// As `strconv.AppendFloat` and the clean-up in Prometheus's `jsonutil` have them.
    #[test]
    fn numbers_as_prometheus_writes_them() {
        for (v, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1.5e20, "150000000000000000000"),
            (1e21, "1e+21"),
            (-2.5e300, "-2.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-10, "1.25e-10"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(written(v), want);
        }
    }

    #[test]
    fn times_have_milliseconds_when_there_are_some() {
        let written = |t| {
            let mut out = String::new();
            seconds(&mut out, t);
            out
        };
        assert_eq!(written(1_435_781_451_781), "1435781451.781");
        assert_eq!(written(1_000), "1");
        assert_eq!(written(5), "0.005");
        assert_eq!(written(-1_500), "-1.500");
        assert_eq!(written(-5), "-0.005");
    }

    #[test]
    fn the_envelope_leaves_out_what_is_not_there() {
        let remark = |severity, text: &str| Annotation {
            severity,
            text: text.into(),
        };
        assert_eq!(success("[]", &[]), r#"{"status":"success","data":[]}"#);
        assert_eq!(
            success(
                "1",
                &[
                    remark(Severity::Warning, "a \"b\""),
                    remark(Severity::Info, "c"),
                    remark(Severity::Info, "d")
                ]
            ),
            r#"{"status":"success","data":1,"warnings":["a \"b\""],"infos":["c","d"]}"#
        );
    }

    #[test]
    fn each_kind_of_value() {
        let sample = Sample {
            t_ms: 1_500,
            v: 2.0,
        };
        let labels = Labels::from_pairs([("__name__", "up"), ("a", "x\ny")]);
        let of = |v: Value| value(&v, None).unwrap().0;
        assert_eq!(
            of(Value::Scalar(sample)),
            r#"{"resultType":"scalar","result":[1.500,"2"]}"#
        );
        assert_eq!(
            of(Value::String(0, "é".into())),
            r#"{"resultType":"string","result":[0,"é"]}"#
        );
        assert_eq!(
            of(Value::Vector(vec![(labels.clone(), sample)])),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","a":"x\ny"},"value":[1.500,"2"]}]}"#
        );
        let series = Series {
            labels,
            samples: vec![
                sample,
                Sample {
                    t_ms: 2_000,
                    v: f64::NAN,
                },
            ],
        };
        assert_eq!(
            of(Value::Matrix(vec![series])),
            r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","a":"x\ny"},"values":[[1.500,"2"],[2,"NaN"]]}]}"#
        );
    }

    #[test]
    fn a_limit_cuts_and_says_so() {
        let sample = Sample { t_ms: 0, v: 0.0 };
        let one = |n: &str| (Labels::from_pairs([("n", n)]), sample);
        let vector = Value::Vector(vec![one("1"), one("2")]);
        let (text, cut) = value(&vector, Some(1)).unwrap();
        assert!(
            cut && text.contains("\"1\"") && !text.contains("\"2\""),
            "{text}"
        );
        assert!(!value(&vector, Some(2)).unwrap().1);
    }

    proptest! {
        #[test]
        fn numbers_read_back(bits in any::<u64>()) {
            let v = f64::from_bits(bits);
            prop_assume!(v.is_finite());
            prop_assert_eq!(written(v).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn texts_read_back(text in "(?s).{0,20}") {
            let mut out = String::new();
            json_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
