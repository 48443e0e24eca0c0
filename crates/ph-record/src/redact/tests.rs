use super::*;
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, want: &str) {
    let redactor = Redactor::default();
    assert_eq!(redactor.text(text), want, "input {text:?}");
    assert_eq!(redactor.text(want), want, "once more");
}

/// A token of each provider's form; put together here, so that no scanner of sources stumbles.
fn tokens() -> Vec<(SecretKind, String)> {
    let a = "aB3dE6gH9kL2nP5rS8tU1wX4yZ7bC0dF3gH6jK9mN2pQ5rT8vW1xY4zA7cE0fG3hJ6kM9nP2qS5tV8wX1yZ4";
    let token = |kind, prefix: &str, n: usize| (kind, format!("{prefix}{}", &a[..n]));
    vec![
        token(SecretKind::Gcp, "AIza", 35),
        token(SecretKind::Gcp, "ya29.", 60),
        token(SecretKind::Gcp, "GOCSPX-", 28),
        token(SecretKind::Github, "ghp_", 36),
        token(SecretKind::Github, "gho_", 36),
        token(SecretKind::Github, "ghs_", 36),
        token(SecretKind::Github, "github_pat_", 80),
        token(SecretKind::Gitlab, "glpat-", 20),
        token(SecretKind::Gitlab, "gldt-", 20),
        token(SecretKind::Slack, "xoxb-123456789012-", 24),
        token(SecretKind::Slack, "xapp-1-A0-", 40),
        token(SecretKind::Slack, "hooks.slack.com/services/T0/B0/", 24),
        token(SecretKind::Stripe, "sk_live_", 24),
        token(SecretKind::Stripe, "rk_test_", 24),
        token(SecretKind::Stripe, "whsec_", 32),
        token(SecretKind::Anthropic, "sk-ant-api03-", 80),
        token(SecretKind::Openai, "sk-", 48),
        token(SecretKind::Openai, "sk-proj-", 80),
        token(SecretKind::Npm, "npm_", 36),
        token(SecretKind::Pypi, "pypi-AgEIcHlwaS5vcmc", 60),
        token(SecretKind::Huggingface, "hf_", 34),
        token(SecretKind::Azure, "abc8Q~", 34),
        token(SecretKind::Provider, "dop_v1_", 64),
        token(SecretKind::Provider, "hvs.", 24),
        token(SecretKind::Provider, "SG.", 66),
        token(SecretKind::Provider, "AGE-SECRET-KEY-1", 58),
        (SecretKind::Aws, format!("AKIA{}", "IOSFODNN7EXAMPLE")),
        (SecretKind::Aws, format!("ASIA{}", "IOSFODNN7EXAMPLE")),
        (
            SecretKind::Jwt,
            ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "c2lnbmF0dXJl"].join("."),
        ),
    ]
}

#[test]
fn hidden_texts_keep_their_places() {
    let check = |text: &str, want: &str| {
        assert_eq!(hidden(text), want, "{text}");
        assert_eq!(hidden(text).len(), text.len());
    };
    check("url: redis://me:hunter2@h", "url: redis://**********@h");
    check(
        r#"{"env": {"API_KEY": "abc\ndef", "A": 1}, "b": [}"#,
        r#"{"env": {"API_KEY": "***\ndef", "A": 1}, "b": [}"#,
    );
    check(
        "password: ${PW}\nurl: http://${U}:${P}@h",
        "password: ${PW}\nurl: http://${U}:${P}@h",
    );
    check("token: file:/run/token", "token: file:/run/token");
    check("db_password: grün!", "db_password: ******");
    check("command: server", "command: server");
}

#[test]
fn tokens_of_providers_are_known_by_their_form() {
    for (kind, token) in tokens() {
        let mark = kind.mark();
        check(&token, mark);
        check(
            &format!("got {token}, refused"),
            &format!("got {mark}, refused"),
        );
        check(&format!("a\\n{token}\\n"), &format!("a\\n{mark}\\n"));
        check(&format!("q=%20{token}&x"), &format!("q=%20{mark}&x"));
        check(
            &format!("{{\"a\":\"{token}\"}}"),
            &format!("{{\"a\":\"{mark}\"}}"),
        );
        check(&format!("é{token}é"), &format!("é{mark}é"));
    }
}

#[test]
fn secrets_are_known_by_the_word_before_them() {
    check(
        "401 for Bearer abc.def-ghi_jkl",
        "401 for Bearer [redacted:bearer]",
    );
    check(
        "Authorization: Bearer c2VjcmV0Cg==, next",
        "Authorization: Bearer [redacted:bearer], next",
    );
    check(
        "Authorization: Basic dXNlcjpwYXNz",
        "Authorization: Basic [redacted:basic]",
    );
    check(
        "dsn postgres://joe:p@ss@db:5432/x?y",
        "dsn postgres://[redacted:url_credentials]@db:5432/x?y",
    );
    check(
        "PASSWORD=hunter2&user=joe",
        "PASSWORD=[redacted:key]&user=joe",
    );
    check(
        "DB_PASSWORD: 'hun ter2' rest",
        "DB_PASSWORD: '[redacted:key]' rest",
    );
    check(
        r#"{"api_key": "abc def", "n": 1}"#,
        r#"{"api_key": "[redacted:key]", "n": 1}"#,
    );
    check(
        r#"{\"token\":\"abc\"}"#,
        r#"{\"token\":\"[redacted:key]\"}"#,
    );
    check(r#"{"token":["abc"]}"#, r#"{"token":["[redacted:key]"]}"#);
    check(
        "x-api-key=1; client_secret=2",
        "x-api-key=[redacted:key]; client_secret=[redacted:key]",
    );
    check(
        "SECRET_KEY=a1 secretKey: b2",
        "SECRET_KEY=[redacted:key] secretKey: [redacted:key]",
    );
    check("é password=é", "é password=[redacted:key]");
    check(
        "run --api-key abcdefgh --port 80",
        "run --api-key [redacted:key] --port 80",
    );
    check(
        r#"["--token","abcdefgh"]"#,
        r#"["--token","[redacted:key]"]"#,
    );
    check(
        "Cookie: a=b; c=d\nHost: x",
        "Cookie: [redacted:key]\nHost: x",
    );
    check(
        "AccountKey=a+b/c==;Suffix=x",
        "AccountKey=[redacted:azure_key];Suffix=x",
    );
    check(
        "https://x/?key=abcdefghijklmnop&a=1",
        "https://x/?key=[redacted:key]&a=1",
    );
    check(
        "https://x/?sv=2&sig=abcdefghijklmnop%3D",
        "https://x/?sv=2&sig=[redacted:key]",
    );
    check("token=${TOKEN} secret: null", "token=${TOKEN} secret: null");
    let github = format!("ghp_{}", "0123456789abcdefghijABCDEFGHIJ012345");
    check(
        &format!("token={github} x"),
        "token=[redacted:github_token] x",
    );
    check(
        &format!("Bearer {github}"),
        "Bearer [redacted:github_token]",
    );
    check("card 4111 1111 1111 1111.", "card [redacted:card_number].");
}

#[test]
fn a_private_key_is_redacted_whole_or_cut() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n+abc/DEF==\n-----END RSA PRIVATE KEY-----";
    check(&format!("a\n{key}\nb"), "a\n[redacted:private_key]\nb");
    check(&key.replace('\n', "\\n"), "[redacted:private_key]");
    check(&key[..60], "[redacted:private_key]");
    check(&key[40..], "[redacted:private_key]");
    check(
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    );
}

#[test]
fn prose_and_names_stay() {
    for text in [
        "",
        "the bearer token is missing",
        "Bearer authentication is required",
        "Basic authentication",
        "WWW-Authenticate: Bearer realm=\"x\"",
        "task-force sk-1 and AKIA",
        "the sk-learn-feature-extraction module",
        "http://example.org:80/a@b",
        "password",
        "eyJ",
        "a secret is kept by two",
        "max_tokens=5 token_count: 7",
        "https://user@host/x",
        "msg.payload, disk-usage-of-partition-number",
        "-----BEGIN PUBLIC KEY-----",
    ] {
        check(text, text);
    }
}

#[test]
fn what_was_given_is_found_as_it_is_and_as_texts_write_it() {
    let redactor = Redactor::new(RedactSettings {
        given: vec![
            "pa\"ss wörd".into(),
            "short".into(),
            "first-line-1\nsecond-line-2".into(),
        ],
        ..RedactSettings::default()
    });
    let text = |text: &str| redactor.text(text).into_owned();
    assert_eq!(text("is pa\"ss wörd ok"), "is [redacted:given] ok");
    assert_eq!(text("is pa\\\"ss wörd ok"), "is [redacted:given] ok");
    assert_eq!(text("is pa%22ss%20w%C3%B6rd ok"), "is [redacted:given] ok");
    assert_eq!(text("a short one"), "a short one");
    assert_eq!(text("xsecond-line-2x"), "x[redacted:given]x");
    assert_eq!(redactor.cut("ends in first-li"), "ends in [redacted:given]");
    assert_eq!(redactor.text("ends in first-li"), "ends in first-li");
}

#[test]
fn settings_switch_off_and_add() {
    let redactor = Redactor::new(RedactSettings {
        keys: vec!["Token".into()],
        disabled: vec![SecretKind::Card],
        patterns: vec![("employee".into(), Regex::new(r"\bE-\d{6}\b").unwrap())],
        ..RedactSettings::default()
    });
    assert_eq!(
        redactor.text("4111111111111111 of E-123456"),
        "4111111111111111 of [redacted:employee]"
    );
    assert_eq!(redactor.number("4111111111111111"), None);
    assert_eq!(
        (redactor.keyed("apiTOKENs"), redactor.keyed("name")),
        (Some("[redacted:key]"), None)
    );
    redactor.apply(RedactSettings {
        values: false,
        ..RedactSettings::default()
    });
    assert_eq!(redactor.text("password=x E-123456"), "password=x E-123456");
    let mut counts = Vec::new();
    redactor.samples(&mut |metric, labels, value| {
        assert_eq!(metric.name, "pilothouse_redactions_total");
        match value {
            Reading::Value(n) if n > 0.0 => counts.push(format!("{} {n}", labels[0])),
            _ => {}
        }
    });
    assert_eq!(counts, ["pattern 1", "key 1"]);
}

/// Texts that make a scanner look again and again at the same bytes.
#[test]
fn no_text_costs_more_than_its_length() {
    for piece in [
        "sk-",
        "eyJ-",
        "eyJaaaa",
        "token=",
        "token",
        "cookie: ",
        "bearer%20",
        "bearer%20authenti",
        "://a:",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END ",
        "-----END PRIVATE KEY-----",
        "4 ",
        "4111-",
        "1Q~",
        "AZDO",
        "--token,",
        "AKIA",
        "?key=",
        "glpat-",
        "token=[",
        "\"token\":\"",
        "xoxe.xox",
    ] {
        let long = piece.repeat((1 << 20) / piece.len());
        let began = std::time::Instant::now();
        let redactor = Redactor::default();
        let _ = redactor.cut(&long);
        // Quadratic would be minutes; linear is milliseconds, also in a debug build on a busy machine.
        let took = began.elapsed();
        assert!(took.as_secs() < 20, "{piece:?} took {took:?}");
    }
}

proptest! {
    /// Any text is read without panic, and redacting what is redacted changes nothing more.
    #[test]
    fn is_total_and_stable(text in "(?s)(password|token|Bearer|Cookie:|://|[ =:\"'@\\\\]|sk-|ghp_|eyJ|-----(BEGIN|END) PRIVATE KEY-----|[0-9]{4}|[a-zA-Z0-9]{0,40}|.){0,30}") {
        let redactor = Redactor::default();
        let once = redactor.text(&text).into_owned();
        let _ = redactor.cut(&text);
        let marks = |text: &str| text.matches("[redacted:").count();
        prop_assert!(marks(&redactor.text(&once)) >= marks(&once).min(1));
    }

    /// A password stays out, wherever the assignment stands.
    #[test]
    fn a_password_stays_out(before in "[a-z .,(\\[{]{0,10}", key in "(db_)?(password|PASSWD|api_key|Secret)", glue in "[=:] ?") {
        let text = format!("{before} {key}{glue}s3cr3t9 tail");
        prop_assert!(!mask(&text).unwrap().contains("s3cr3t9"));
    }

    /// A provider's token stays out of any surroundings that do not make it part of a longer word.
    #[test]
    fn a_token_stays_out(nth in 0..29_usize, before in "(?s)(.{0,40}[^A-Za-z0-9_~])?", after in "(?s)([^A-Za-z0-9_.~-].{0,40})?") {
        let (_, token) = &tokens()[nth];
        let text = format!("{before}{token}{after}");
        let redactor = Redactor::default();
        let redacted = redactor.text(&text);
        prop_assert!(!redacted.contains(token.as_str()), "{:?}", redacted);
    }

    /// However a stream of lines is cut at the bound of a line, no recognisable part of a token is left.
    #[test]
    fn a_cut_leaves_no_piece(nth in 0..29_usize, at in 12..100_usize) {
        let (_, token) = &tokens()[nth];
        let cut = &token[..at.min(token.len())];
        let text = format!("line {cut}");
        let redactor = Redactor::default();
        // What is left of less than its prefix and two characters says nothing.
        let is_known = tokens().iter().filter(|(k, _)| *k != SecretKind::Azure && *k != SecretKind::Aws).any(|(_, t)| t == token);
        if is_known && cut.len() >= 36 {
            prop_assert!(redactor.cut(&text).contains("[redacted:"), "{}", text);
        }
    }

    /// Ids survive: trace and span ids, UUIDs, sums, times, versions.
    #[test]
    fn ids_survive(trace in "[0-9a-f]{32}", uuid in "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", sha1 in "[0-9a-f]{40}", sha256 in "[0-9a-f]{64}", span in "[0-9a-f]{15}[a-f]", ulid in "01[0-9A-HJKMNP-TV-Z]{24}", ns in 1_600_000_000_000_000_000_u64..2_100_000_000_000_000_000, base in "[A-Za-z0-9+/]{20,43}") {
        let version = "2025-11-25 1.2.3-rc.4+build.5";
        let text = format!("trace_id {trace} 00-{trace}-{span}-01 {uuid} {sha1} sha256:{sha256} {ulid} {ns} sha512-{base}== {version} 127.0.0.1:40321 [::1]:80");
        let redactor = Redactor::default();
        prop_assert_eq!(redactor.text(&text), text.as_str());
    }
}
