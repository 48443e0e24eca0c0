//! The language as a whole: what texts mean, what is wrong with the others, and what is printed.

use super::filter::Expr;
use super::*;
use proptest::prelude::*;

const CALL: &str = r#"{"timestamp":"2026-11-22T17:47:08.135802Z","level":"error","kind":"call","message":"tools/call searchFiles: timeout","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","server":"files","method":"tools/call","tool":"searchFiles","client":"inspector/2.12.0","params":"{\"arguments\":{\"pattern\":\"/etc/**\",\"limit\":50},\"name\":\"searchFiles\"}","status":504,"outcome":"timeout","duration":2500.250,"request_bytes":70000,"error":"Permission denied: \"/etc\""}"#;
const STDERR: &str = r#"{"timestamp":"2026-11-22T17:47:08.1Z","level":"info","kind":"stderr","message":"warming up","server":"files"}"#;

#[track_caller]
fn read(text: &str) -> Filter {
    parse(text).unwrap_or_else(|e| panic!("{}", e.render(text)))
}

/// Which of the two lines match.
#[track_caller]
fn check(text: &str, call: bool, stderr: bool) {
    let filter = read(text);
    let got = (
        filter.matches(CALL.as_bytes()),
        filter.matches(STDERR.as_bytes()),
    );
    assert_eq!(got, (call, stderr), "{text} is {filter:?}");
}

#[test]
fn what_queries_find() {
    check("", true, true);
    check("  * ", true, true);
    check(
        r#"tool=searchFiles duration>=2s status!=200 "permission denied""#,
        true,
        false,
    );
    check("level>=warn", true, false);
    check("level=info|error", true, true);
    check("level!=error", false, true);
    check("-outcome=ok", true, true);
    check("tool=read*|write*", false, false);
    check("tool=search*|write*", true, false);
    check("tool = *Files", true, false);
    check("tool=*archF*", true, false);
    check("tool=\"*archF*\"", false, false);
    check("tool=SearchFiles", false, false);
    check("params.pattern~\"^/etc\"", true, false);
    check("params.pattern!~'^/etc'", false, false);
    check("params.limit>=50 params.limit<51", true, false);
    check("params.limit=50", true, false);
    check("params.pattern>3", false, false);
    check("(server=a OR server=files) NOT client=x", true, true);
    check("server=a OR server=files kind=call", true, false);
    check("status=5xx", true, false);
    check("status=404|5xx", true, false);
    check("status>4xx status<=5xx", true, false);
    check("status>5xx", false, false);
    check("duration>=2000 duration<2500250001ns", true, false);
    check("duration=2500.25ms", true, false);
    check("request_bytes>64KiB", true, false);
    check("trace_id=0af7651916cd43dd8448eb211c80319c", true, false);
    check("trace=0af7*", true, false);
    check("PERMISSION", true, false);
    check("0af7651916cd43dd", true, false);
    check(r#""denied: \"/ETC\"""#, true, false);
    check("timeout", true, false);
    // Names of fields are no text.
    check("trace_id", false, false);
    check("NOT timeout warming", false, true);
    check("NOT (timeout OR warming)", false, false);
    check("-(timeout warming)", true, true);
    check("timeout AND kind=call", true, false);
}

/// A line without the field has no other value of it, but it is not so that it has this value.
#[test]
fn absent_fields() {
    check("status!=200", true, false);
    check("NOT status=200", true, true);
    check("status=*", true, false);
    check("status!=*", false, true);
    check("tool!~\"x\"", true, false);
    check("tool=*", true, false);
    check("client!=*", false, true);
    check("params.nothing!=*", true, true);
}

#[test]
fn what_is_wrong() {
    #[track_caller]
    fn check(text: &str, want: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!(error.render(text), want.trim_start_matches('\n'), "{text}");
    }
    check(
        "tool=a lvl=warn",
        "
unknown field `lvl`
  tool=a lvl=warn
         ^^^ expected one of server, tool, method, status, outcome, duration, level, kind, client, principal, session, trace_id, span_id, parent_span_id, message, error, blame, target, http_status, rpc_code, overhead_ms, waited_on_client_ms, upstream_ms, request_bytes, response_bytes, replica, direction, era, protocol_version, transport, request_id, delivered, stream, event, reason, anomaly, caller, name, service, file, params.NAME, attributes.NAME
hint: what a tool was called with is `params.NAME`",
    );
    check(
        "level>=warning",
        "
`warning` is no value of `level`
  level>=warning
         ^^^^^^^ expected trace, debug, info, warn, error
hint: did you mean `warn`?",
    );
    check(
        "duration>=2sec",
        "
`2sec` is no value of `duration`
  duration>=2sec
            ^^^^ expected a number with ns, us, ms, s, m, h or d, such as 1.5s; without a unit it is ms",
    );
    check(
        "status=5x",
        "
`5x` is no value of `status`
  status=5x
         ^^ expected a number, or a class such as 5xx",
    );
    check(
        "tool>a",
        "
`tool` is text and has no order
  tool>a
      ^ expected =, !=, ~ or !~",
    );
    check(
        "status~\"5..\"",
        "
`status` is no text
  status~\"5..\"
        ^ expected =, !=, >, >=, < or <=",
    );
    check(
        "duration=>2s",
        "
`=>` is no comparison
  duration=>2s
          ^^
hint: did you mean `>=`?",
    );
    check(
        "(tool=a OR tool=b",
        "
this `(` is not closed
  (tool=a OR tool=b
  ^ expected `)` at the end",
    );
    check(
        "tool=a)",
        "
this `)` closes nothing
  tool=a)
        ^
hint: put text with parentheses in quotes",
    );
    check(
        "\"denied",
        "
this \" is not closed
  \"denied
  ^ expected another \"",
    );
    check(
        "tool=",
        "
no value for `tool`
  tool=
       ^ expected a value; in quotes where it has spaces",
    );
    check(
        "ä tool=(a OR b)",
        "
no value for `tool`
  ä tool=(a OR b)
         ^ expected a value; in quotes where it has spaces
hint: several values are `tool=a|b`",
    );
    check(
        "message~a|b",
        "
`|` ends a regular expression that has no quotes
  message~a|b
            ^
hint: put it in quotes: message~\"a|b\"",
    );
    check(
        "message~\"a(\"",
        "
no regular expression: unclosed group
  message~\"a(\"
          ^^^^",
    );
    check(
        "tool=a or tool=b",
        "
`or` is a text here, and probably was not meant so
  tool=a or tool=b
         ^^
hint: write `OR`, or \"or\" in quotes to look for it",
    );
    check(
        "tool:read",
        "
`tool` is followed by `:`
  tool:read
  ^^^^^^^^^ expected `tool=read`
hint: put it in quotes to look for it as text",
    );
    check(
        "tool=a OR",
        "
something is missing here
  tool=a OR
           ^ expected a condition such as `tool=searchFiles`, a text or `(`",
    );
    check(
        "- tool=a",
        "
`-` says that something is not so
  - tool=a
  ^ expected a condition, a text or `(` right behind it
hint: put a text that begins with `-` in quotes",
    );
    check(
        "time*out",
        "
`*` has no meaning in a text
  time*out
  ^^^^^^^^
hint: text is found wherever it stands; for parts of it: message~\"a.*b\"",
    );
    check(
        "kind=calls",
        "
`calls` is no value of `kind`
  kind=calls
       ^^^^^ expected call, stderr, event, file, span, log
hint: did you mean `call`?",
    );
}

#[test]
fn bounds() {
    let deep = format!("{}a{}", "(".repeat(65), ")".repeat(65));
    assert!(parse(&deep).is_err_and(|e| e.message.contains("64")));
    let long = "a ".repeat(257);
    assert!(parse(&long).is_err_and(|e| e.message.contains("256")));
    let list = format!("tool=a{}", "|a".repeat(256));
    assert!(parse(&list).is_err_and(|e| e.message.contains("256")));
    assert!(parse(&"x".repeat(17 << 10)).is_err());
    assert!(parse("message~\"(a{1000}){1000}\"").is_err());
    // A long text is quoted around the place.
    let text = format!("{} lvl=x {}", "a ".repeat(100), "b ".repeat(100));
    let rendered = parse(&text).expect_err("no field").render(&text);
    let quoted = rendered.lines().nth(1).expect("three lines");
    assert!(
        quoted.contains("lvl=x") && quoted.chars().count() <= 110,
        "{rendered}"
    );
}

#[test]
fn what_is_printed() {
    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(read(text).to_string(), want);
        assert_eq!(read(want), read(text));
    }
    check("*", "");
    check("tool = a   b", "tool=a \"b\"");
    check("-tool=a|\"b c\"|'d'", "NOT tool=a|\"b c\"|d");
    check(
        "a (b c) (d OR (e OR f))",
        "\"a\" \"b\" \"c\" (\"d\" OR \"e\" OR \"f\")",
    );
    check("a OR b c", "\"a\" OR \"b\" \"c\"");
    check("NOT (a OR b)", "NOT (\"a\" OR \"b\")");
    check(
        "duration>=1.5s duration<90s",
        "duration>=1500ms duration<90s",
    );
    check("request_bytes>1024", "request_bytes>1KiB");
    check("http_status=4XX|500", "http_status=4xx|500");
    check(
        "trace=x attr.db.system=\"a\\tb\"",
        "trace_id=x attributes.db.system=\"a\\tb\"",
    );
    check("tool==a error=~\"\\d\\\\d\"", "tool=a error~\"\\\\d\\\\d\"");
}

/// Knowing more never changes an answer: a decision from a part of the conditions is the right one.
#[test]
fn decisions_from_a_part() {
    let filter = read("(tool=searchFiles OR status=200) NOT \"absent\" level>=warn");
    for hidden in 0_u32..16 {
        let mut nth = 0;
        let decided = filter.decide(&mut |leaf| {
            nth += 1;
            (hidden >> (nth - 1) & 1 == 0).then(|| leaf.matches(CALL.as_bytes()))
        });
        assert!(decided.is_none_or(|d| d == filter.matches(CALL.as_bytes())));
    }
    assert_eq!(filter.decide(&mut |_| None), None);
    assert_eq!(Filter::all().decide(&mut |_| None), Some(true));
    let mut texts = Vec::new();
    filter.for_each(&mut |leaf| {
        if let Leaf::Text(needle) = leaf {
            texts.push(needle.text().to_owned());
        }
    });
    assert_eq!(texts, ["absent"]);
}

/// The one condition of a query.
fn only(text: &str) -> Condition {
    match read(text).expr() {
        Expr::Field(condition) => condition.clone(),
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn whole_ranges_of_numbers() {
    #[track_caller]
    fn check(text: &str, min: i64, max: i64, want: Option<bool>) {
        assert_eq!(only(text).accepts_between(min, max), want, "{text}");
    }
    check("status=404|5xx", 500, 504, Some(true));
    check("status=404|5xx", 200, 403, Some(false));
    check("status=404|5xx", 404, 504, None);
    check("status!=404|5xx", 200, 403, Some(true));
    check("status!=404|5xx", 503, 504, Some(false));
    check("duration>1us", 0, 1_000, Some(false));
    check("duration>1us", 0, 1_001, None);
    check("duration>1us", 1_001, 1_002, Some(true));
    check("level<=warn", 0, 3, Some(true));
    check("status=*", 0, 1, Some(true));
    check("tool=5", 5, 5, None);
}

/// Texts as people type them, right and wrong.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("tool=".to_owned()),
        Just("duration>=".to_owned()),
        Just("status!=".to_owned()),
        Just("params.a.b~".to_owned()),
        Just("level=".to_owned()),
        Just("5xx|404".to_owned()),
        Just("2s".to_owned()),
        Just("warn".to_owned()),
        Just("a*b|c".to_owned()),
        Just(" OR ".to_owned()),
        Just(" AND ".to_owned()),
        Just(" NOT ".to_owned()),
        Just(" -".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just(" ".to_owned()),
        Just("\"a b\"".to_owned()),
        Just("'".to_owned()),
        "\"\\PC{0,6}\"",
        "\\PC{1,4}",
    ];
    proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn what_is_read_and_printed_is_read_back(text in words()) {
        if let Ok(filter) = parse(&text) {
            let printed = filter.to_string();
            let again = parse(&printed).map_err(|e| TestCaseError::fail(e.render(&printed)))?;
            prop_assert_eq!(again, filter, "printed {}", printed);
        }
    }

    #[test]
    fn errors_point_into_the_text(text in words()) {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.at.clone()).is_some(), "{:?}", error);
            prop_assert!(error.render(&text).contains('^'));
        }
    }

    #[test]
    fn no_line_panics(text in words(), line: Vec<u8>) {
        if let Ok(filter) = parse(&text) {
            let _ = filter.matches(&line);
        }
    }

    /// What is said of a range is true of each of its numbers.
    #[test]
    fn ranges_speak_for_their_numbers(
        sign in prop_oneof![Just("="), Just("!="), Just(">"), Just(">="), Just("<"), Just("<=")],
        value in prop_oneof![Just("4xx"), Just("200"), Just("500")],
        min in 0_i64..700,
        more in 0_i64..300,
    ) {
        let condition = only(&format!("status{sign}{value}"));
        if let Some(all) = condition.accepts_between(min, min + more) {
            for number in min..=min + more {
                prop_assert_eq!(condition.accepts_number(Some(number)), all);
            }
        }
    }

    /// Stars as a simple matcher understands them.
    #[test]
    fn patterns_match_as_a_model_does(pattern in "[ab*]{1,6}", text in "[ab]{0,8}") {
        fn model(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|at| model(rest, &text[at..])),
                Some((letter, rest)) => text.first() == Some(letter) && model(rest, &text[1..]),
            }
        }
        let filter = parse(&format!("tool={pattern}")).expect("a query");
        let line = format!("{{\"tool\":\"{text}\"}}");
        prop_assert_eq!(filter.matches(line.as_bytes()), model(pattern.as_bytes(), text.as_bytes()));
    }

    /// `NOT` turns every answer round, `AND` and `OR` are those of the parts.
    #[test]
    fn logic(a in words(), b in words()) {
        if let (Ok(left), Ok(right)) = (parse(&a), parse(&b)) {
            let (l, r) = (left.matches(CALL.as_bytes()), right.matches(CALL.as_bytes()));
            let join = |expr| Filter { expr }.matches(CALL.as_bytes());
            prop_assert_eq!(join(Expr::And(vec![left.expr.clone(), right.expr.clone()])), l && r);
            prop_assert_eq!(join(Expr::Or(vec![left.expr.clone(), right.expr])), l || r);
            prop_assert_eq!(join(Expr::Not(Box::new(left.expr))), !l);
        }
    }
}
