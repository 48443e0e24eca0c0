use super::{lodash, look, shown};
use ph_exposure::{Level, Wanted};

#[test]
fn a_tool_of_the_official_sdk_leads_to_the_symbol() {
    let index = r#"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { merge } from 'lodash';
const defaults = { a: 1 };
const server = new McpServer({ name: "x", version: "1" });
server.tool("configure", { patch: z.string() }, async ({ patch }) => {
  const given = JSON.parse(patch);
  return settings(given);
});
server.registerTool("version", {}, async () => ({ content: [] }));
function settings(given) {
  return merge({}, defaults, given);
}
"#;
    let found = look(&[("index.js", index)], &lodash());
    assert_eq!(found.level, Level::Reachable);
    assert_eq!(
        shown(&found),
        [
            "index.js:3 imported merge",
            "index.js:12 reachable merge [configure settings input]"
        ]
    );
    assert_eq!(found.uses[1].text, "merge({}, defaults, given)");
}

#[test]
fn every_way_of_importing_is_found() {
    for (import, call) in [
        ("import _ from 'lodash';", "_.merge({}, x)"),
        ("import * as _ from 'lodash';", "_['merge']({}, x)"),
        ("import { merge as m } from \"lodash\";", "m({}, x)"),
        ("import merge from 'lodash/merge.js';", "merge({}, x)"),
        ("const _ = require('lodash');", "_.merge({}, x)"),
        ("const { merge } = require('lodash');", "merge({}, x)"),
        ("const { merge: m } = require('lodash');", "m({}, x)"),
        ("const m = require('lodash').merge;", "m({}, x)"),
        ("const m = require('lodash/merge');", "m({}, x)"),
        ("const { merge } = await import('lodash');", "merge({}, x)"),
        (
            "const _ = (await import('lodash')).default;",
            "_.merge({}, x)",
        ),
        ("let _; _ = require('lodash');", "_.merge({}, x)"),
        ("import _ from 'lodash';", "_.chain(x).merge({})"),
        ("import _ from 'lodash';", "[x].map(_.merge)"),
        ("import _ from 'lodash';", "use({ _ })"),
    ] {
        let text = format!("{import}\nfunction f(x) {{\n  return {call};\n}}\n");
        let found = look(&[("a.mjs", &text)], &lodash());
        assert_eq!(
            found.level,
            Level::SymbolUsed,
            "{import} {call}: {:?}",
            shown(&found)
        );
        assert!(
            shown(&found)
                .iter()
                .any(|place| place.starts_with("a.mjs:3 used")),
            "{import} {call}"
        );
    }
}

#[test]
fn another_function_or_another_package_does_not_count() {
    for (text, level) in [
        (
            "import { pick } from 'lodash';\npick(x, 'a');\n",
            Level::Imported,
        ),
        (
            "import { merge } from 'lodash-es';\nmerge(x);\n",
            Level::Present,
        ),
        (
            "import { merge } from './lodash';\nmerge(x);\n",
            Level::Present,
        ),
        (
            "// import { merge } from 'lodash'; merge(x)\n",
            Level::Present,
        ),
        (
            "import type { Dictionary } from 'lodash';\n",
            Level::Present,
        ),
        ("export { merge } from 'lodash';\n", Level::Imported),
    ] {
        assert_eq!(look(&[("a.ts", text)], &lodash()).level, level, "{text}");
    }
}

#[test]
fn the_branches_of_one_handler_are_tools() {
    let text = r#"
import _ from "lodash";
server.setRequestHandler(CallToolRequestSchema, async (request) => {
  const { name, arguments: args } = request.params;
  switch (name) {
    case "merge_settings": {
      const out = _.merge({}, args.patch);
      return out;
    }
    case "pick":
      return _.pick(args, "a");
  }
  if (name === "deep") {
    return helper(args);
  }
  return other();
});
const helper = (a) => _.defaultsDeep({}, a);
"#;
    let found = look(&[("src/index.ts", text)], &lodash());
    assert_eq!(
        shown(&found),
        [
            "src/index.ts:2 imported",
            "src/index.ts:7 reachable merge [merge_settings  input]",
            "src/index.ts:11 imported pick",
            "src/index.ts:18 reachable defaultsDeep [deep helper input]",
        ]
    );
}

#[test]
fn functions_of_other_files_and_of_objects_are_followed() {
    let index = "import { apply } from './apply.js';\nserver.addTool({ name: 'apply', execute: async (args) => apply(args) });\nserver.tool('named', handler);\nasync function handler(input) { return apply(input); }\n";
    let apply = "const _ = require('lodash');\nexports.apply = function (value) {\n  const copy = { ...value };\n  return _.merge({}, copy);\n};\n";
    let found = look(&[("index.js", index), ("apply.js", apply)], &lodash());
    assert_eq!(
        shown(&found),
        [
            "apply.js:1 imported",
            "apply.js:4 reachable merge [apply execute>apply input] [named handler>apply input]"
        ]
    );
}

#[test]
fn where_the_advisory_names_nothing_any_use_counts() {
    let wanted = Wanted::package("npm", "ws", Vec::new());
    let text = "import WebSocket from 'ws';\nserver.tool('open', async ({ url }) => { new WebSocket(url); });\n";
    let found = look(&[("a.js", text)], &wanted);
    assert_eq!(
        shown(&found),
        ["a.js:1 imported", "a.js:2 reachable [open  input]"]
    );
}

#[test]
fn a_module_that_is_named_at_run_time_is_said() {
    let found = look(
        &[("a.js", "const m = require(name);\nimport(`x${y}`);\n")],
        &lodash(),
    );
    assert_eq!(found.level, Level::Present);
    assert_eq!(found.unseen.len(), 2);
    assert!(found.unseen[0].starts_with("a.js:1 "), "{:?}", found.unseen);
}
