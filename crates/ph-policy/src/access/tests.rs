use super::*;
use crate::Proof;
use ph_plan::NoSecrets;
use proptest::prelude::*;
use std::sync::Arc;

fn access(rules: &str) -> Access {
    let text = format!("access:\n{rules}servers: {{files: {{command: x}}, db: {{command: y}}}}\n");
    let (plan, _) = Plan::from_yaml(&text, &NoSecrets).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    Access::new(&plan).unwrap()
}

fn principal(name: &str, groups: &[&str]) -> Principal {
    Principal {
        name: name.into(),
        proof: Proof::Key,
        groups: groups.iter().map(|g| Arc::from(*g)).collect(),
        scopes: vec!["tools:read".into()],
        role: None,
    }
}

fn method_of(thing: Thing<'_>) -> &'static str {
    match thing {
        Thing::Nothing => "ping",
        Thing::Tool(_) => "tools/call",
        Thing::Prompt(_) => "prompts/get",
        Thing::Resource(_) => "resources/read",
    }
}

#[track_caller]
fn check(
    access: &Access,
    who: Option<&Principal>,
    server: &str,
    thing: Thing<'_>,
    want: (bool, By),
) {
    asked(access, who, server, method_of(thing), thing, want);
}

#[track_caller]
fn asked(
    access: &Access,
    principal: Option<&Principal>,
    server: &str,
    method: &str,
    thing: Thing<'_>,
    want: (bool, By),
) {
    let who = Who {
        principal,
        client: principal.map_or("192.0.2.1", |p| &p.name),
    };
    let wanted = Wanted {
        server,
        method,
        thing,
    };
    let got = access.decide(&who, &wanted);
    assert_eq!((got.is_allowed, got.by), want, "{wanted:?}");
    assert_eq!(access.explain(&who, &wanted).0, got);
}

#[test]
fn the_first_rule_that_is_for_it_decides() {
    let access = access(
        "  rules:
    - deny: {tools: ['delete*']}
    - allow: {groups: [dev], servers: ['f*'], tools: ['*']}
    - allow: {principals: [bob], tools: [query], resources: ['db://*']}
    - allow: {clients: ['192.0.2.*'], prompts: [hello]}
    - allow: {scopes: ['tools:read'], methods: [tools/call], tools: ['read*']}
",
    );
    let (ann, bob) = (principal("ann", &["dev"]), principal("bob", &[]));
    let tool = Thing::Tool;
    check(
        &access,
        Some(&ann),
        "files",
        tool("search"),
        (true, By::Rule(1)),
    );
    check(
        &access,
        Some(&ann),
        "files",
        tool("deleteAll"),
        (false, By::Rule(0)),
    );
    check(
        &access,
        Some(&ann),
        "db",
        tool("search"),
        (false, By::Default),
    );
    check(
        &access,
        Some(&ann),
        "db",
        tool("readAll"),
        (true, By::Rule(4)),
    );
    check(
        &access,
        Some(&bob),
        "db",
        tool("query"),
        (true, By::Rule(2)),
    );
    check(
        &access,
        Some(&bob),
        "db",
        Thing::Resource("db://a/b"),
        (true, By::Rule(2)),
    );
    check(
        &access,
        Some(&bob),
        "db",
        Thing::Prompt("hello"),
        (false, By::Default),
    );
    check(
        &access,
        None,
        "db",
        Thing::Prompt("hello"),
        (true, By::Rule(3)),
    );
    check(&access, None, "db", tool("query"), (false, By::Default));
}

#[test]
fn whoever_may_have_something_may_speak_to_the_server_and_nobody_else() {
    let access = access(
        "  rules:
    - deny: {methods: [logging/setLevel]}
    - allow: {groups: [dev], servers: [files], tools: [search]}
    - allow: {principals: [root]}
",
    );
    let (ann, root) = (principal("ann", &["dev"]), principal("root", &[]));
    for method in [
        "initialize",
        "ping",
        "tools/list",
        "server/discover",
        "",
        "notifications/initialized",
        "tasks/get",
    ] {
        asked(
            &access,
            Some(&ann),
            "files",
            method,
            Thing::Nothing,
            (true, By::Rule(1)),
        );
        asked(
            &access,
            Some(&ann),
            "db",
            method,
            Thing::Nothing,
            (false, By::Default),
        );
        asked(
            &access,
            None,
            "files",
            method,
            Thing::Nothing,
            (false, By::Default),
        );
        asked(
            &access,
            Some(&root),
            "db",
            method,
            Thing::Nothing,
            (true, By::Rule(2)),
        );
    }
    asked(
        &access,
        Some(&ann),
        "files",
        "logging/setLevel",
        Thing::Nothing,
        (false, By::Rule(0)),
    );
    // Tasks of others would be in it.
    asked(
        &access,
        Some(&ann),
        "files",
        "tasks/list",
        Thing::Nothing,
        (false, By::Default),
    );
    // A method that nobody knows is not part of speaking.
    asked(
        &access,
        Some(&ann),
        "files",
        "admin/reset",
        Thing::Nothing,
        (false, By::Default),
    );
    asked(
        &access,
        Some(&root),
        "files",
        "admin/reset",
        Thing::Nothing,
        (true, By::Rule(2)),
    );
}

#[test]
fn a_resource_is_what_its_address_comes_to() {
    let access = access(
        "  default: deny
  rules:
    - deny: {resources: ['file:///data/secret/*', 'file:///data/a%20b']}
    - allow: {resources: ['file:///data/*']}
",
    );
    let read = |uri, want| check(&access, None, "files", Thing::Resource(uri), want);
    read("file:///data/x", (true, By::Rule(1)));
    read("file:///data/secret/x", (false, By::Rule(0)));
    for uri in [
        "file:///data/x/../secret/x",
        "file:///data/x/..%2fsecret/x",
        "file:///data/%73ecret/x",
        "file:///data//secret//x",
        "FILE:///data/secret/x",
        "file://localhost/data/secret/x",
        "file:///data/a%20b",
        "file:///data/a b",
    ] {
        read(uri, (false, By::Rule(0)));
    }
    for uri in [
        "file:///data/../etc/passwd",
        "file:///data/%2e%2e/etc/passwd",
        "file:///data/..\\etc",
    ] {
        read(uri, (false, By::Default));
    }
}

#[test]
fn an_address_that_leads_above_its_root_is_for_nobody() {
    for rules in [
        "  default: deny\n  rules:\n    - allow: {resources: ['file://data/*', 'file:///*']}\n",
        "  default: allow\n  rules:\n    - deny: {resources: ['file:///x']}\n",
        "  default: allow\n",
    ] {
        let access = access(rules);
        let read = |uri, want| check(&access, None, "files", Thing::Resource(uri), want);
        for uri in [
            "file://data/../../x",
            "file://data/%2e%2e/%2e%2e/x",
            "file://data/..%252f..%252fx",
            "file://data\\..\\..\\x",
            "file:///../x",
        ] {
            read(uri, (false, By::Climbs));
        }
        let inside = Thing::Resource("file://data/a/../b");
        let wanted = Wanted {
            server: "files",
            method: "resources/read",
            thing: inside,
        };
        let who = Who {
            principal: None,
            client: "",
        };
        assert!(access.decide(&who, &wanted).is_allowed, "{rules}");
    }
}

#[test]
fn a_list_that_shows_all_is_not_looked_at() {
    let access = access(
        "  default: allow
  rules:
    - allow: {principals: [root]}
    - deny: {groups: [ops], tools: ['delete*']}
    - deny: {servers: [db], resources: ['*']}
    - deny: {methods: [prompts/get]}
",
    );
    let (root, ops) = (principal("root", &["ops"]), principal("o", &["ops"]));
    let sees = |principal, server, thing| {
        let who = Who {
            principal,
            client: "",
        };
        let method = method_of(thing);
        access.sees_all(
            &who,
            &Wanted {
                server,
                method,
                thing,
            },
        )
    };
    assert!(sees(Some(&root), "db", Thing::Tool("")));
    assert!(sees(Some(&root), "db", Thing::Resource("")));
    assert!(!sees(Some(&ops), "db", Thing::Tool("")));
    assert!(sees(None, "db", Thing::Tool("")));
    assert!(!sees(None, "db", Thing::Resource("")));
    assert!(sees(None, "files", Thing::Resource("")));
    assert!(!sees(None, "files", Thing::Prompt("")));
}

/// A rule of a few names, so that they often meet.
fn a_rule() -> impl Strategy<Value = String> {
    let word = prop_oneof!["[ab]{1,2}", "[ab]?\\*[ab]?"];
    let list = proptest::collection::vec(word, 1..3);
    let key = prop_oneof![
        Just("principals"),
        Just("groups"),
        Just("tools"),
        Just("prompts"),
        Just("resources"),
        Just("methods"),
    ];
    let fields = proptest::collection::btree_map(key, list, 0..3);
    (proptest::bool::ANY, fields).prop_map(|(allow, fields)| {
        let word = if allow { "allow" } else { "deny" };
        let fields: Vec<_> = fields
            .into_iter()
            .map(|(key, list)| {
                let method = key == "methods" && list.len() > 1;
                let list = if method {
                    vec!["tools/*".to_owned()]
                } else {
                    list
                };
                format!("{key}: {list:?}")
            })
            .collect();
        format!("    - {word}: {{{}}}\n", fields.join(", "))
    })
}

proptest! {
    /// What a list shows is what a call would be allowed for, and what need not be looked at hides nothing.
    #[test]
    fn what_is_listed_is_what_may_be_called(
        rules in proptest::collection::vec(a_rule(), 0..6),
        default: bool,
        name in "[ab]{1,3}",
        who in "[ab]{1,2}",
        group in "[ab]{1,2}",
    ) {
        let word = if default { "allow" } else { "deny" };
        let access = access(&format!("  default: {word}\n  rules:\n{}", if rules.is_empty() { "    []\n".to_owned() } else { rules.concat() }));
        let principal = principal(&who, &[&group]);
        let who = Who { principal: Some(&principal), client: "x" };
        for thing in [Thing::Tool(&name), Thing::Prompt(&name), Thing::Resource(&name)] {
            let wanted = Wanted { server: "files", method: method_of(thing), thing };
            let decision = access.decide(&who, &wanted);
            let (explained, steps) = access.explain(&who, &wanted);
            prop_assert_eq!(decision, explained);
            match decision.by {
                By::Rule(nth) => prop_assert_eq!(steps.len(), nth + 1),
                By::Default => {
                    prop_assert_eq!(decision.is_allowed, default);
                    prop_assert_eq!(steps.len(), rules.len());
                }
                By::Climbs => prop_assert!(false, "nothing here leads anywhere"),
            }
            prop_assert!(decision.is_allowed || !access.sees_all(&who, &wanted));
            // Whoever may have something may speak.
            let speak = Wanted { server: "files", method: "initialize", thing: Thing::Nothing };
            let spoken = access.decide(&who, &speak);
            let by_rule = matches!((decision.by, spoken.by), (By::Rule(d), By::Rule(s)) if s <= d);
            prop_assert!(!decision.is_allowed || spoken.is_allowed || by_rule);
        }
    }
}

/// Patterns and names that make a backtracking matcher take for ever.
#[test]
fn matching_is_linear() {
    let glob = ph_plan::Glob::parse(&"*a".repeat(64)).unwrap();
    let name = "a".repeat(1 << 20) + "b";
    let started = std::time::Instant::now();
    for _ in 0..20 {
        assert!(!glob.matches(&name));
    }
    // 20 MiB of text: a second is a hundred times what it takes; quadratic would be hours.
    assert!(started.elapsed().as_secs() < 10);
}
