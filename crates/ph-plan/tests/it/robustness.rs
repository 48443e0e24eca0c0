//! Any text gets an answer: no panic, no place outside the text, no unbounded work.

use ph_base::diagnostic::Problem;
use ph_plan::{Plan, load};
use proptest::prelude::*;

use crate::world::{SECRET, World};

/// What `load` promises for any text.
fn check(name: &str, text: &str) {
    let _shown = ph_plan::shown(name, text);
    let diagnostics = match load(name, text, &World) {
        Ok((plan, warnings)) => {
            assert!(!plan.servers.is_empty());
            assert!(!format!("{plan:?}{}", plan.to_json()).contains(SECRET));
            warnings
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            problems
        }
    };
    assert!(diagnostics.len() <= 201);
    for diagnostic in diagnostics {
        let at = &diagnostic.at;
        assert!(
            text.get(at.clone()).is_some(),
            "{at:?} is not in {text:?}: {diagnostic:?}"
        );
        let (line, column) = diagnostic.line_and_column(text);
        assert!(line <= text.matches('\n').count() + 1 && column <= text.len() + 1);
        let rendered = diagnostic.render(name, text);
        assert!(!rendered.contains(SECRET));
        assert!(
            rendered
                .chars()
                .all(|c| c == '\n' || c == '\t' || !c.is_control()),
            "{rendered:?}"
        );
    }
}

#[test]
fn a_name_made_of_a_reference_is_shown_as_written() {
    check(
        "full.yaml",
        "allowed_hosts: [\"${TOKEN}\"]\nallowed_origins: [\"https://${TOKEN}.example.com\"]\nlog: {redact_keys: [\"${TOKEN}\"]}\nservers: {web: {url: http://127.0.0.1:1/mcp}}\n",
    );
    check(
        "full.yaml",
        "slos: {read: {objective: latency, tool: \"${TOKEN}_*\"}}\nnotify: {inhibit: [{source_matchers: ['a=${TOKEN}'], target_matchers: ['b=~\"${TOKEN}\"']}]}\nservers: {web: {url: http://127.0.0.1:1/mcp}}\n",
    );
}

#[test]
fn the_path_of_an_unreadable_file_may_hold_a_secret() {
    check(
        "full.yaml",
        "servers:\n  web:\n    url: http://127.0.0.1:1/mcp\n    headers: {X-Key: \"file:/${TOKEN} x/ca.pem\"}\n",
    );
}

const FULL: &str = include_str!("../config/good/full.yaml");
const DESKTOP: &str = include_str!("../config/good/desktop.json");

/// Text that looks like a configuration often enough to get past the first character.
fn fragments() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "servers",
        "files",
        "command",
        "url",
        "listen",
        "limits",
        "env",
        "headers",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\"",
        "'",
        "|",
        ">",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "? ",
        "# ",
        "---\n",
        "...",
        "%TAG ! x\n",
        "${TOKEN}",
        "${",
        "$$",
        "file:/run/token",
        "\t",
        "\r\n",
        "\\u0000",
        "\u{FEFF}",
        "ä",
        "🛶",
        "\u{85}",
        "\u{2028}",
        "\0",
        "15s",
        "1GB",
        "9999999999999999999999",
        "~",
        "null",
        "true",
        "//",
        "/*",
        "*/",
        "mcpServers",
        "\\",
        "-1",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

/// A good configuration with one piece replaced.
fn damaged(text: &'static str) -> impl Strategy<Value = String> {
    (0..text.len(), 0..40_usize, fragments()).prop_map(move |(start, len, piece)| {
        let chars: Vec<char> = text.chars().collect();
        let start = start.min(chars.len());
        let end = (start + len).min(chars.len());
        let (head, tail) = (&chars[..start], &chars[end..]);
        head.iter().collect::<String>() + &piece + &tail.iter().collect::<String>()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        check("pilothouse.yaml", &text);
        check("mcp.json", &text);
    }

    #[test]
    fn any_fragments(text in fragments()) {
        check("pilothouse.yaml", &text);
        check("mcp.json", &text);
    }

    #[test]
    fn damaged_configurations(yaml in damaged(FULL), json in damaged(DESKTOP)) {
        check("pilothouse.yaml", &yaml);
        check("mcp.json", &json);
    }

    /// Two ways to the same tree: what JSON says, YAML says.
    #[test]
    fn json_is_read_the_same_by_both_readers(name in "[a-z]{1,8}", args in prop::collection::vec("[ -~]{0,12}", 0..4), max in 1..1000_u32) {
        let args: Vec<String> = args.iter().map(|arg| arg.replace('$', "$$")).collect();
        let servers = serde_json::json!({name: {"command": "my-server", "args": args}});
        let text = serde_json::json!({"servers": servers, "sessions": {"max": max}}).to_string();
        let by_json = load("plan.json", &text, &World).expect("a good configuration");
        let by_yaml = Plan::from_yaml(&text, &World).expect("a good configuration");
        prop_assert_eq!(by_json, by_yaml);
    }
}

/// Texts that are made to cost: each has to be refused or read within the bounds.
#[test]
fn hostile_texts_are_bounded() {
    let long = 1 << 20;
    let fill = |piece: &str| piece.repeat(long / piece.len());
    for piece in [
        "[", "{", "- ", "? ", "a: ", "\"", "{\"a\":", "[[],", "a\n", "&a ", "*a ", "!a ", "a,",
        "\\", "ä", "#", "/*", "- -\n", "%", "|", "'", "\t", "\r", "a: b\n", "${", "}", "${A}",
    ] {
        check("pilothouse.yaml", &fill(piece));
        check("mcp.json", &fill(piece));
        check(
            "pilothouse.yaml",
            &format!("servers: \"{}\"", fill(piece).split_off(20)),
        );
    }
}

#[test]
fn a_text_beyond_the_bound_is_not_read() {
    let text = format!("servers: {{a: {{command: b}}}}\n#{}", "x".repeat(1 << 20));
    let problems = load("pilothouse.yaml", &text, &World).expect_err("too large");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].problem,
        Problem::TooLarge {
            what: "bytes",
            max: 1 << 20
        }
    );
}

/// A short text must not become a large plan: neither by aliases nor by references.
#[test]
fn values_do_not_blow_up() {
    let long = "x".repeat(100_000);
    let aliases = format!(
        "servers: {{a: {{command: &l {long}, args: [{}]}}}}",
        "*l, ".repeat(10_000)
    );
    let problems = load("pilothouse.yaml", &aliases, &World).expect_err("too large");
    assert_eq!(
        problems[0].problem,
        Problem::TooLarge {
            what: "bytes of values",
            max: 4 << 20
        }
    );
    let many = format!(
        "servers: {{a: {{command: x, args: [{}]}}}}",
        "'${LONG}', ".repeat(10_000)
    );
    let one = format!(
        "servers: {{a: {{command: '{}'}}}}",
        "${LONG}".repeat(100_000)
    );
    for text in [many, one] {
        let problems = load("pilothouse.yaml", &text, &World).expect_err("too large");
        let what = "bytes with all references resolved";
        assert_eq!(
            problems[0].problem,
            Problem::TooLarge {
                what,
                max: 16 << 20
            }
        );
    }
    let unset: String = (0..60_000).map(|nth| format!("${{V{nth}}}")).collect();
    check(
        "pilothouse.yaml",
        &format!("servers: {{a: {{command: '{unset}'}}}}"),
    );
}

#[test]
fn the_same_reference_twice_is_two_places() {
    let text = "servers: {a: {command: '${V}-${V}'}}";
    let problems = load("pilothouse.yaml", text, &World).expect_err("not set");
    assert_eq!(
        problems
            .iter()
            .map(|problem| problem.at.start)
            .collect::<Vec<_>>(),
        [24, 29]
    );
}

#[test]
fn a_hundred_problems_are_shown_and_the_rest_counted() {
    let unknown: String = (0..250).map(|nth| format!("key_{nth}: 1\n")).collect();
    let problems = load("pilothouse.yaml", &unknown, &World).expect_err("unknown keys");
    assert_eq!(problems.len(), 101);
    // 250 unknown keys and the missing `servers`.
    assert_eq!(problems[100].problem, Problem::More { hidden: 151 });
    assert_eq!(problems[100].message(), "151 more problems are not shown");
    check("pilothouse.yaml", &unknown);
}

#[test]
fn warnings_hide_no_error() {
    let unknown: String = (0..250).map(|nth| format!("\"key_{nth}\": 1, ")).collect();
    let text = format!("{{{unknown} \"mcpServers\": {{\"a\": {{\"command\": 1}}, \"b\": 2}}}}");
    let problems = load("mcp.json", &text, &World).expect_err("an error behind the warnings");
    assert!(
        problems
            .iter()
            .any(|problem| problem.path == "mcpServers.b"),
        "{problems:?}"
    );
    let (_, warnings) =
        load("mcp.json", &text.replace("\"b\": 2", ""), &World).expect("only warnings");
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[100].problem, Problem::More { hidden: 150 });
}

#[test]
fn places_count_characters_and_lines() {
    let text = "servers:\n  ä: {command: x}\n  ok: {command: x, ö: 1}\n";
    let problems = load("pilothouse.yaml", text, &World).expect_err("two problems");
    let places: Vec<_> = problems
        .iter()
        .map(|problem| problem.line_and_column(text))
        .collect();
    assert_eq!(places, [(2, 3), (3, 20)]);
    assert_eq!(
        problems
            .iter()
            .map(|p| &text[p.at.clone()])
            .collect::<Vec<_>>(),
        ["ä", "ö"]
    );
}
