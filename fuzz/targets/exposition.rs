//! Pages of metrics: no bytes make the reader panic, it holds its bounds, and what it read it reads again when
//! it is written as a page.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_jobs::exposition::{Bounds, Format, Page, parse};

const BOUNDS: Bounds = Bounds {
    samples_max: 50,
    labels_max: 8,
    text_bytes_max: 200,
};

fuzz_target!(|input: &[u8]| {
    for format in [Format::Text, Format::OpenMetrics] {
        let Ok(page) = parse(input, format, &BOUNDS) else {
            continue;
        };
        assert!(page.samples.len() <= BOUNDS.samples_max);
        let again = parse(written(&page).as_bytes(), Format::Text, &BOUNDS)
            .expect("what was read can be written and read");
        assert_eq!(again.samples.len(), page.samples.len());
        for (one, other) in page.samples.iter().zip(&again.samples) {
            assert_eq!((&one.labels, one.t_ms), (&other.labels, other.t_ms));
            assert!(one.v.to_bits() == other.v.to_bits() || one.v.is_nan() && other.v.is_nan());
            assert_ne!(one.v.to_bits(), ph_promql::STALE_NAN_BITS);
        }
    }
});

fn written(page: &Page) -> String {
    let mut text = String::new();
    for sample in &page.samples {
        let mut inside = Vec::new();
        for (name, value) in sample.labels.iter() {
            let value = escaped(value);
            inside.push(if name == "__name__" {
                format!("\"{value}\"")
            } else {
                format!("\"{}\"=\"{value}\"", escaped(name))
            });
        }
        text.push_str(&format!("{{{}}} {}", inside.join(","), sample.v));
        if let Some(t_ms) = sample.t_ms {
            text.push_str(&format!(" {t_ms}"));
        }
        text.push('\n');
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
