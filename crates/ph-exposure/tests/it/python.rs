use super::{look, shown};
use ph_exposure::{Level, Wanted};

fn yaml() -> Wanted {
    Wanted::package("PyPI", "PyYAML", vec!["yaml.load".into()])
}

#[test]
fn a_decorated_tool_leads_to_the_symbol() {
    let text = r#"
import yaml
from mcp.server.fastmcp import FastMCP

mcp = FastMCP("x")

@mcp.tool()
def read_settings(text: str) -> dict:
    """Reads."""
    return parse(text.strip())

@mcp.tool(name="other")
def fixed() -> dict:
    return yaml.load("a: 1")

def parse(source, loader=None):
    return yaml.load(source, Loader=yaml.FullLoader)
"#;
    let found = look(&[("server.py", text)], &yaml());
    assert_eq!(
        shown(&found),
        [
            "server.py:2 imported",
            "server.py:14 reachable load [other fixed]",
            "server.py:17 imported FullLoader",
            "server.py:17 reachable load [read_settings read_settings>parse input]",
        ]
    );
}

#[test]
fn every_way_of_importing_is_found() {
    for (import, call) in [
        ("import yaml", "yaml.load(x)"),
        ("import yaml as y", "y.load(x)"),
        ("from yaml import load", "load(x)"),
        ("from yaml import load as l", "l(x)"),
        ("from yaml import (dump, load)", "load(x)"),
        ("yaml = importlib.import_module('yaml')", "yaml.load(x)"),
        ("yaml = __import__('yaml')", "yaml.load(x)"),
        ("import yaml", "list(map(yaml.load, x))"),
    ] {
        let text = format!("{import}\ndef f(x):\n    return {call}\n");
        let found = look(&[("a.py", &text)], &yaml());
        assert_eq!(
            found.level,
            Level::SymbolUsed,
            "{import} {call}: {:?}",
            shown(&found)
        );
    }
}

#[test]
fn another_function_or_another_module_does_not_count() {
    for (text, level) in [
        ("import yaml\nyaml.safe_load(x)\n", Level::Imported),
        ("from yamllint import load\nload(x)\n", Level::Present),
        ("# import yaml\n\"import yaml\"\n", Level::Present),
        ("from yaml import *\n", Level::Imported),
    ] {
        assert_eq!(look(&[("a.py", text)], &yaml()).level, level, "{text}");
    }
    let wanted = Wanted::package("PyPI", "gitpython", Vec::new());
    assert_eq!(
        look(&[("a.py", "import git\ngit.Repo(x)\n")], &wanted).level,
        Level::SymbolUsed
    );
}

#[test]
fn the_branches_of_one_handler_are_tools() {
    let text = r#"
import yaml
@server.call_tool()
async def call_tool(name: str, arguments: dict):
    if name == "load":
        return yaml.load(arguments["text"])
    elif name == "other":
        pass
    match name:
        case "matched":
            return yaml.load(arguments)
"#;
    let found = look(&[("server.py", text)], &yaml());
    assert_eq!(
        shown(&found),
        [
            "server.py:2 imported",
            "server.py:6 reachable load [load call_tool input]",
            "server.py:11 reachable load [matched call_tool input]",
        ]
    );
}
