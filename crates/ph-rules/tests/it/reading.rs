//! What is wrong with a rule file, and where.

use ph_rules::file;

/// Each problem as `line:column message`.
fn problems(text: &str) -> Vec<String> {
    let found = file::read("r.yml", text).map_or_else(|found| found, |_| Vec::new());
    let one = |problem: &ph_base::diagnostic::Diagnostic| {
        let (line, column) = problem.line_and_column(text);
        format!("{line}:{column} {}", problem.message())
    };
    found.iter().map(one).collect()
}

#[track_caller]
fn check(text: &str, want: &[&str]) {
    assert_eq!(problems(text), want, "{text}");
}

#[test]
fn every_mistake_has_its_place() {
    let text = "\
group: 1
groups:
  - name: g
    interval: 1x
    rules:
      - alert: A
        exp: up
      - record: a b
        expr: up
        for: 1m
        annotations: {s: t}
      - {alert: A, record: r, expr: up}
      - {expr: up}
      - alert: L
        expr: up
        labels: {__name__: x, a-b: y}
      - [up]
  - name: g
    limit: -1
    rules: 5
  - rules: []
";
    check(
        text,
        &[
            "1:1 unknown field `group`: expected `groups`",
            "4:15 invalid value `1x` in `groups[0].interval`: expected a duration such as `30s`, `5m` or `1h30m`",
            "6:9 missing field `expr` in `groups[0].rules[0]`",
            "7:9 unknown field `exp` in `groups[0].rules[0]`: expected `record`, `alert`, `expr`, `for`, `keep_firing_for`, `labels` or `annotations`",
            "8:17 invalid value `a b` in `groups[0].rules[1].record`: expected a metric name: letters, digits, `_` and `:`",
            "10:9 `for` cannot stand beside `record` in `groups[0].rules[1]`",
            "11:9 `annotations` cannot stand beside `record` in `groups[0].rules[1]`",
            "12:20 `record` cannot stand beside `alert` in `groups[0].rules[2]`",
            "13:9 missing field `alert` or `record` in `groups[0].rules[3]`",
            "16:18 invalid value `__name__` in `groups[0].rules[4].labels`: expected a label name: letters, digits and `_`, not `__name__`",
            "16:31 invalid value `a-b` in `groups[0].rules[4].labels`: expected a label name: letters, digits and `_`, not `__name__`",
            "17:9 expected a mapping, found a list in `groups[0].rules[5]`",
            "18:11 field `g` is set twice in `groups[1].name`: first set in line 3",
            "19:12 invalid value `-1` in `groups[1].limit`: expected a whole number, 0 or more",
            "20:12 expected a list, found a number in `groups[1].rules`",
            "21:5 missing field `name` in `groups[2]`",
        ],
    );
}

#[test]
fn a_mistake_in_an_expression_is_shown_inside_it() {
    let rule =
        |expr: &str| format!("groups:\n- name: g\n  rules:\n  - record: r\n    expr: {expr}\n");
    check(
        &rule("|\n      sum(\n        up\n      ) by (job) +\n      rat(x[5m])"),
        &["9:7 `groups[0].rules[0].expr`: bad expression: unknown function with name 'rat'"],
    );
    check(
        &rule("'sum(up{job=\"it''s\"}) > sum('"),
        &["5:38 `groups[0].rules[0].expr`: bad expression: unclosed left parenthesis"],
    );
    check(
        &rule(">-\n      up\n      == foo(1)"),
        &["7:10 `groups[0].rules[0].expr`: bad expression: unknown function with name 'foo'"],
    );
    check(
        &rule("up[5m]"),
        &[
            "5:11 `groups[0].rules[0].expr`: bad expression: a rule needs an instant vector or a scalar, and this gives a range vector",
        ],
    );
    check(
        &rule("histogram_avg(up)"),
        &[
            "5:11 `groups[0].rules[0].expr`: bad expression: not supported: `histogram_avg`, which is for native histograms",
        ],
    );
}

#[test]
fn a_mistake_in_a_template_is_shown_inside_it() {
    let rule = |annotation: &str| {
        format!(
            "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    annotations:\n      s: {annotation}\n"
        )
    };
    let bad = |place: &str, what: &str| {
        format!("{place} `groups[0].rules[0].annotations.s`: bad template: {what}")
    };
    for (annotation, place, what) in [
        (
            "'{{ $label.x }}'",
            "7:14",
            "undefined variable `$label`; did you mean `$labels`?",
        ),
        (
            "'{{ humanise $value }}'",
            "7:14",
            "function `humanise` not defined; did you mean `humanize`?",
        ),
        (
            "'{{ query \"up\" }}'",
            "7:14",
            "not supported: function `query`",
        ),
        (
            "'{{ range query \"up\" }}{{ end }}'",
            "7:14",
            "not supported: `range`",
        ),
        (
            "'{{ .Label.x }}'",
            "7:14",
            "there is no `.Label`; did you mean `.Labels`?",
        ),
        ("'{{ $value.x }}'", "7:20", "there is no field `.x` of this"),
        ("'{{ $labels.x '", "7:11", "unclosed action"),
        ("'{{ if $value }}x'", "7:11", "no {{end}} for this"),
        ("'x{{ end }}'", "7:12", "unexpected {{end}}"),
        (
            "'{{ humanize }}'",
            "7:11",
            "`humanize` takes 1 arguments, not 0",
        ),
        (
            "'{{ printf \"%d\" (len \"a\" }}'",
            "7:26",
            "unclosed left paren",
        ),
        (
            "'{{ match \"(\" \"a\" }}'",
            "7:11",
            "error parsing regexp: \"(\"",
        ),
        (
            "'{{ $labels.x | $value }}'",
            "7:26",
            "only a function can take the value before `|`",
        ),
        (
            "'{{ \"a\" 1 }}'",
            "7:18",
            "only a function can have arguments",
        ),
        ("'{{ }}'", "7:11", "missing value for command"),
        (
            "|\n        all is\n        {{ $valu }}",
            "9:12",
            "undefined variable `$valu`; did you mean `$value`?",
        ),
        ("\"\\u007b{ $x }}\"", "7:19", "undefined variable `$x`"),
    ] {
        assert_eq!(
            problems(&rule(annotation)),
            [bad(place, what)],
            "{annotation}"
        );
    }
    // Labels of recording rules are no templates.
    check(
        "groups: [{name: g, rules: [{record: r, expr: up, labels: {a: '{{ x'}}]}]",
        &[],
    );
}

#[test]
fn what_is_read_is_what_is_written() {
    let text = "
groups:
  - name: g
    interval: 1m30s
    limit: 3
    query_offset: 10s
    labels: {team: a, severity: low}
    rules:
      - alert: A
        expr: up == 0
        for: 1h
        keep_firing_for: 5m
        labels: {severity: high, n: 5}
      - record: r
        expr: 1
  - name: empty
";
    let file = file::read("r.yml", text).unwrap();
    let group = &file.groups[0];
    assert_eq!(
        (group.limit, group.interval.map(|d| d.as_secs())),
        (3, Some(90))
    );
    assert_eq!(group.query_offset.map(|d| d.as_secs()), Some(10));
    let labels = |nth: usize| {
        let pairs = group.rules[nth].labels.iter();
        pairs
            .map(|(name, value)| format!("{name}={}", value.text()))
            .collect::<Vec<_>>()
    };
    assert_eq!(labels(0), ["n=5", "severity=high", "team=a"]);
    assert_eq!(labels(1), ["severity=low", "team=a"]);
    assert_eq!((group.rules[0].line, group.rules[1].line), (9, 14));
    assert_eq!(file.groups[1].rules.len(), 0);
}
