//! The text of a configuration as it may be shown.

use ph_plan::shown;

const SECRET: &str = "hunter2-hunter2";

#[track_caller]
fn check(text: &str, want: &str) {
    let got = shown("pilothouse.yaml", text);
    assert_eq!(got.as_deref(), Some(want), "{text}");
}

#[test]
fn what_is_secret_by_its_place_is_masked_and_all_else_is_as_it_was_written() {
    check(
        "# why\nservers:\n  web: # here\n    url: http://127.0.0.1:1/mcp\n    headers: {X-Key: 'hunter2', X-Other: \"${TOKEN}\", X-Mixed: 'Bearer ${TOKEN:-hunter2}'}\n    health: {interval: 1s}\n",
        "# why\nservers:\n  web: # here\n    url: http://127.0.0.1:1/mcp\n    headers: {X-Key: ***, X-Other: ${TOKEN}, X-Mixed: ***${TOKEN:-***}}\n    health: {interval: 1s}\n",
    );
    check(
        "servers:\n  a:\n    command: a\n    env:\n      PW: |\n        hunter2\n        more\n      FILE: file:/run/pw\n    args: [x]\n",
        "servers:\n  a:\n    command: a\n    env:\n      PW: |\n        ***\n      FILE: file:/run/pw\n    args: [x]\n",
    );
}

#[test]
fn what_nobody_knows_the_meaning_of_is_masked() {
    for text in [
        "servers:\n  web:\n    url: http://127.0.0.1:1/mcp\n    headrs:\n      X-Key: hunter2-hunter2\n",
        "servers: {web: {url: http://127.0.0.1:1/mcp, headers: hunter2-hunter2}}\n",
        "servers: {web: {url: http://127.0.0.1:1/mcp, headers: {X-Key: [hunter2-hunter2]}}}\n",
        "servers: {web: {command: a, envv: {PW: hunter2-hunter2}}}\nsinks: {e: {elastic: {headers: {a: hunter2-hunter2}}}}\n",
        "{\"mcpServers\": {\"a\": {\"command\": \"a\", \"env\": {\"PW\": \"hunter2-hunter2\"}}}, \"inputs\": [\"hunter2-hunter2\"]}",
        "{\"mcpServers\": {\"a\": {\"command\": \"a\", \"disabled\": true, \"env\": {\"PW\": \"hunter2-hunter2\"}}}}",
        "servers: {a: &a {command: a, env: {PW: hunter2-hunter2}}, b: *a}\n",
    ] {
        let got = shown("pilothouse.yaml", text).unwrap();
        assert!(!got.contains(SECRET) && got.contains("***"), "{got}");
    }
}

#[test]
fn of_what_cannot_be_read_nothing_is_shown() {
    assert_eq!(
        shown("pilothouse.yaml", "servers: {a: [hunter2-hunter2\n"),
        None
    );
}
