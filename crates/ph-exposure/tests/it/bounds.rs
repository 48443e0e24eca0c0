use super::{lodash, look};
use ph_exposure::Level;

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_read() {
    let deep = format!("{}x{}", "(".repeat(5_000), ")".repeat(5_000));
    let large = "x;".repeat(2 << 20);
    let good = "import { merge } from 'lodash';\nmerge(x);\n";
    let found = look(
        &[
            ("deep.js", &deep),
            ("large.js", &large),
            ("good.js", good),
            ("notes.md", good),
        ],
        &lodash(),
    );
    assert_eq!(found.level, Level::SymbolUsed);
    assert_eq!(found.files, 1);
    assert_eq!(found.unseen.len(), 2, "{:?}", found.unseen);
    assert!(
        found.unseen[0].starts_with("deep.js: nested deeper"),
        "{:?}",
        found.unseen
    );
    assert!(
        found.unseen[1].starts_with("large.js: larger"),
        "{:?}",
        found.unseen
    );
}

#[test]
fn a_file_with_mistakes_is_read_as_far_as_it_goes() {
    let text = "import { merge } from 'lodash';\nlet = = ;\nmerge(y);\n";
    let found = look(&[("a.js", text)], &lodash());
    assert_eq!(found.level, Level::SymbolUsed);
    assert_eq!(
        found.unseen,
        ["a.js:2 cannot be read: what is there was not seen"]
    );
}

#[test]
fn a_thousand_uses_are_bounded_and_counted() {
    let mut text = "import _ from 'lodash';\nserver.tool('x', async (a) => {\n".to_owned();
    text.push_str(&"_.pick(a);\n".repeat(500));
    text.push_str("_.merge(a);\n});\n");
    let found = look(&[("a.js", &text)], &lodash());
    assert_eq!(found.uses.len(), 200);
    assert_eq!(found.level, Level::Reachable);
    assert!(
        found.uses.iter().any(|place| place.symbol == "merge"),
        "the most telling stay"
    );
    assert_eq!(found.unseen, ["302 more places"]);
}

#[test]
fn functions_that_call_each_other_end() {
    let mut text =
        "import _ from 'lodash';\nserver.tool('x', async (a) => { f0(a); });\n".to_owned();
    for i in 0..300 {
        text.push_str(&format!(
            "function f{i}(a) {{ f{}(a); f{}(a); _.merge(a); }}\n",
            (i + 1) % 300,
            (i * 7) % 300
        ));
    }
    let found = look(&[("a.js", &text)], &lodash());
    assert_eq!(found.level, Level::Reachable);
}
