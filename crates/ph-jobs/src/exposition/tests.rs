use super::*;
use proptest::prelude::*;

fn text(body: &str) -> Result<Page, ParseError> {
    parse(body.as_bytes(), Format::Text, &Bounds::default())
}

fn open_metrics(body: &str) -> Result<Page, ParseError> {
    parse(body.as_bytes(), Format::OpenMetrics, &Bounds::default())
}

fn shown(page: &Page) -> Vec<String> {
    let sample = |one: &PageSample| match one.t_ms {
        Some(t_ms) => format!("{} {} @{t_ms}", one.labels, one.v),
        None => format!("{} {}", one.labels, one.v),
    };
    page.samples.iter().map(sample).collect()
}

#[test]
fn the_text_format() {
    let page = text(
        "# HELP http_requests_total The \\\\ total\\nof requests.\n\
         # TYPE http_requests_total counter\n\
         http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
         http_requests_total{method=\"post\",code=\"400\",}    3\t1395066363000\r\n\
         \n\
         # Escaping in label values:\n\
         msdos_file_access_time_seconds{path=\"C:\\\\DIR\\\\FILE.TXT\",error=\"Cannot find file:\\n\\\"FILE.TXT\\\"\"} 1.458255915e9\n\
         metric_without_timestamp_and_labels 12.47\n\
         something_weird{problem=\"division by zero\"} +Inf -3982045\n\
         a_b:c NaN\n\
         {\"my.metric\",\"a.b\"=\"c\"} -Inf\n\
         empty{} .5e-1",
    )
    .unwrap();
    assert_eq!(
        shown(&page),
        [
            r#"http_requests_total{code="200", method="post"} 1027 @1395066363000"#,
            r#"http_requests_total{code="400", method="post"} 3 @1395066363000"#,
            r#"msdos_file_access_time_seconds{error="Cannot find file:\n\"FILE.TXT\"", path="C:\\DIR\\FILE.TXT"} 1458255915"#,
            "metric_without_timestamp_and_labels 12.47",
            r#"something_weird{problem="division by zero"} inf @-3982045"#,
            "a_b:c NaN",
            r#"{__name__="my.metric", "a.b"="c"} -inf"#,
            "empty 0.05",
        ]
    );
    assert_eq!(page.metadata.len(), 1);
    let about = &page.metadata[0];
    assert_eq!(
        (&*about.kind, &*about.help),
        ("counter", "The \\ total\nof requests.")
    );
}

#[test]
fn open_metrics_with_exemplars() {
    let page = open_metrics(
        "# TYPE foo_seconds histogram\n\
         # UNIT foo_seconds seconds\n\
         # HELP foo_seconds Some \\\"help\\\".\n\
         foo_seconds_bucket{le=\"0.1\"} 8 # {} 0.054\n\
         foo_seconds_bucket{le=\"+Inf\"} 17 1520879607.789 # {trace_id=\"KOO5S4vxi0o\"} 0.67 1520879607.5\n\
         foo_seconds_count 17 1520879607\n\
         # EOF\n",
    )
    .unwrap();
    assert_eq!(
        shown(&page),
        [
            r#"foo_seconds_bucket{le="0.1"} 8"#,
            r#"foo_seconds_bucket{le="+Inf"} 17 @1520879607789"#,
            "foo_seconds_count 17 @1520879607000",
        ]
    );
    let exemplars: Vec<_> = page
        .exemplars
        .iter()
        .map(|one| (one.labels.to_string(), one.v, one.t_ms))
        .collect();
    assert_eq!(
        exemplars,
        [
            ("{}".to_owned(), 0.054, None),
            (
                r#"{trace_id="KOO5S4vxi0o"}"#.to_owned(),
                0.67,
                Some(1_520_879_607_500)
            ),
        ]
    );
    let about = &page.metadata[0];
    assert_eq!(
        (&*about.metric, &*about.kind, &*about.help, &*about.unit),
        ("foo_seconds", "histogram", "Some \"help\".", "seconds")
    );
}

#[test]
fn what_is_wrong_names_its_line() {
    for (body, line, problem) in [
        ("a 1\nb\n", 2, "a sample without a value"),
        ("a 1\nb x\n", 2, "`x` is no number"),
        ("a{b=\"c} 1\n", 1, "a text without its closing quote"),
        ("a{b=c} 1\n", 1, "`\"` expected at `c} 1`"),
        ("a{b=\"c\" d=\"e\"} 1\n", 1, "`,` expected at `d=\"e\"} 1`"),
        ("a{b=\"c\",b=\"d\"} 1\n", 1, "the label `b` comes twice"),
        ("{b=\"c\"} 1\n", 1, "a sample without a name"),
        ("a 1 2 3\n", 1, "`3` behind the sample"),
        ("a 1 1.5\n", 1, "a time that is none"),
        ("# TYPE a thing\n", 1, "`thing` is no type of a metric"),
        ("<html>\n", 1, "a sample without a name"),
        (
            "a 1 # {x=\"y\"} 1\n",
            1,
            "`# {x=\"y\"} 1` behind the sample",
        ),
    ] {
        let wanted = ParseError {
            line,
            problem: problem.to_owned(),
        };
        assert_eq!(text(body), Err(wanted), "{body}");
    }
    for (body, line, problem) in [
        ("a 1\n", 1, "the page ends without `# EOF`: it is not whole"),
        ("a 1\n# EOF\nb 1\n", 3, "something follows `# EOF`"),
        ("a 1\n\n# EOF\n", 2, "an empty line"),
        ("a 1 # 5\n# EOF\n", 1, "an exemplar without labels"),
    ] {
        let wanted = ParseError {
            line,
            problem: problem.to_owned(),
        };
        assert_eq!(open_metrics(body), Err(wanted), "{body}");
    }
}

#[test]
fn bounds_hold() {
    let bounds = Bounds {
        samples_max: 2,
        labels_max: 3,
        text_bytes_max: 8,
    };
    let line = |body: &str| {
        parse(body.as_bytes(), Format::Text, &bounds)
            .map_err(|e| e.line)
            .err()
    };
    assert_eq!(line("a 1\nb 1\n"), None);
    assert_eq!(line("a 1\nb 1\nc 1\n"), Some(3));
    assert_eq!(line("a{b=\"1\",c=\"2\"} 1\n"), None);
    assert_eq!(line("a{b=\"1\",c=\"2\",d=\"3\"} 1\n"), Some(1));
    assert_eq!(line("a{b=\"123456789\"} 1\n"), Some(1));
    assert_eq!(line("# HELP a 123456789\n"), Some(1));
    assert_eq!(line("# HELP a x\n# HELP b x\n# HELP c x\n"), Some(3));
}

#[test]
fn an_empty_page_is_one_in_the_text_format_only() {
    assert_eq!(text(""), Ok(Page::default()));
    assert!(open_metrics("").is_err());
    assert_eq!(open_metrics("# EOF"), Ok(Page::default()));
}

#[test]
fn formats_are_told_by_their_content_type() {
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(Format::of(open), Some(Format::OpenMetrics));
    assert_eq!(Format::of("Text/Plain; version=0.0.4"), Some(Format::Text));
    assert_eq!(Format::of("text/html"), None);
    let protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily";
    assert_eq!(Format::of(protobuf), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Text, Format::OpenMetrics] {
            drop(parse(&bytes, format, &Bounds::default()));
        }
    }

    /// Labels and values come back as they were written.
    #[test]
    fn what_is_written_is_read(
        labels in prop::collection::btree_map("[a-z_][a-z0-9_]{0,5}", ".{1,12}", 0..5),
        v in any::<f64>(), t_ms in prop::option::of(-1_000_000i64..2_000_000_000_000),
    ) {
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let inside: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{}\"", escaped(v))).collect();
        let time = t_ms.map(|t| format!(" {t}")).unwrap_or_default();
        let line = format!("m{{{}}} {v}{time}\n", inside.join(","));
        let page = text(&line).unwrap();
        let wanted = Labels::from_pairs(
            labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([("__name__", "m")]),
        );
        prop_assert_eq!(&page.samples[0].labels, &wanted);
        prop_assert_eq!(page.samples[0].t_ms, t_ms);
        prop_assert!(page.samples[0].v == v || v.is_nan() && page.samples[0].v.is_nan());
    }
}
