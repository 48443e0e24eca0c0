//! JavaScript and TypeScript.
//!
//! A tool is what the official SDK calls one (`server.tool`, `server.registerTool`), `addTool` of others, and the
//! handler that is set for `CallToolRequestSchema`, whose branches tell the tools apart.

use tree_sitter::Node;

use super::{Place, Reader, children, field};
use crate::code::Import;

const NAMES: &[&str] = &[
    "identifier",
    "shorthand_property_identifier",
    "shorthand_property_identifier_pattern",
];
const FUNCTIONS: &[&str] = &[
    "function_declaration",
    "function_expression",
    "generator_function",
    "generator_function_declaration",
    "arrow_function",
    "method_definition",
];
/// What makes a tool, given its name and its function.
const REGISTER: &[&str] = &["tool", "registerTool", "addTool"];
/// Under which an object of a tool has its function.
const HANDLERS: &[&str] = &["execute", "handler", "callback", "run", "call"];

pub(super) fn imports(reader: &Reader<'_>, node: Node<'_>) -> (Vec<Import>, Option<usize>) {
    match node.kind() {
        "import_statement" => (statement(reader, node), None),
        "export_statement" => (exported(reader, node), None),
        "call_expression" => loaded(reader, node),
        _ => (Vec::new(), None),
    }
}

/// `import …`, but not `import type …`, which is gone when the program runs.
fn statement(reader: &Reader<'_>, node: Node<'_>) -> Vec<Import> {
    let source = field(node, "source").or_else(|| {
        let clause = children(node)
            .into_iter()
            .find(|c| c.kind() == "import_require_clause")?;
        field(clause, "source")
    });
    let Some(below) = source.and_then(|s| reader.imports.below(unquoted(reader.str(s)))) else {
        return Vec::new();
    };
    if reader.str(node).starts_with("import type ") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for clause in children(node) {
        match clause.kind() {
            "import_clause" => {
                for part in children(clause) {
                    found.extend(clause_part(reader, node, part, &below));
                }
            }
            "import_require_clause" => {
                let local = children(clause)
                    .into_iter()
                    .find(|c| c.kind() == "identifier");
                found.extend(local.map(|l| reader.import(node, Some(reader.str(l)), &below)));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        found.push(reader.import(node, None, &below));
    }
    found
}

fn clause_part(
    reader: &Reader<'_>,
    statement: Node<'_>,
    part: Node<'_>,
    below: &[&str],
) -> Vec<Import> {
    match part.kind() {
        "identifier" => vec![reader.import(statement, Some(reader.str(part)), below)],
        "namespace_import" => children(part)
            .into_iter()
            .map(|local| reader.import(statement, Some(reader.str(local)), below))
            .collect(),
        "named_imports" => children(part)
            .into_iter()
            .filter_map(|specifier| {
                let name = reader.str(field(specifier, "name")?);
                let local = field(specifier, "alias").map_or(name, |alias| reader.str(alias));
                let segments = with(below, &[name]);
                Some(reader.import(statement, Some(local), &segments))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// `export … from`: passed on, with no name here.
fn exported(reader: &Reader<'_>, node: Node<'_>) -> Vec<Import> {
    let below = field(node, "source").and_then(|s| reader.imports.below(unquoted(reader.str(s))));
    below
        .map(|below| reader.import(node, None, &below))
        .into_iter()
        .collect()
}

/// `require(…)` and `import(…)`, with the names that the result is given.
fn loaded(reader: &Reader<'_>, node: Node<'_>) -> (Vec<Import>, Option<usize>) {
    let none = (Vec::new(), None);
    let Some(function) = field(node, "function") else {
        return none;
    };
    if !(function.kind() == "import" || reader.str(function) == "require") {
        return none;
    }
    let Some(argument) = field(node, "arguments").and_then(|a| children(a).into_iter().next())
    else {
        return none;
    };
    if argument.kind() != "string" {
        return (Vec::new(), Some(Reader::line(node)));
    }
    let Some(below) = reader.imports.below(unquoted(reader.str(argument))) else {
        return none;
    };
    let mut segments = below;
    let mut this = node;
    while let Some(parent) = this.parent() {
        match parent.kind() {
            "await_expression" | "parenthesized_expression" | "as_expression" => {}
            "member_expression" if field(parent, "object") == Some(this) => {
                segments.extend(field(parent, "property").map(|p| reader.str(p)));
            }
            "variable_declarator" => {
                let names = field(parent, "name")
                    .map(|n| pattern(reader, n))
                    .unwrap_or_default();
                return (bound(reader, parent, &names, &segments), None);
            }
            "assignment_expression" => {
                let names = field(parent, "left")
                    .map(|n| pattern(reader, n))
                    .unwrap_or_default();
                return (bound(reader, parent, &names, &segments), None);
            }
            _ => break,
        }
        this = parent;
    }
    (vec![reader.import(node, None, &segments)], None)
}

fn bound<'t>(
    reader: &Reader<'_>,
    node: Node<'_>,
    names: &[(&'t str, Option<&'t str>)],
    below: &[&'t str],
) -> Vec<Import> {
    if names.is_empty() {
        return vec![reader.import(node, None, below)];
    }
    let one = |(local, symbol): &(&'t str, Option<&'t str>)| {
        let segments = with(below, symbol.as_slice());
        reader.import(node, Some(local), &segments)
    };
    names.iter().map(one).collect()
}

/// The names of `x` or `{a, b: c}`, each with what it is of the value.
fn pattern<'a>(reader: &Reader<'a>, node: Node<'_>) -> Vec<(&'a str, Option<&'a str>)> {
    match node.kind() {
        "identifier" => vec![(reader.str(node), None)],
        "object_pattern" => children(node)
            .into_iter()
            .filter_map(|part| match part.kind() {
                "shorthand_property_identifier_pattern" => {
                    Some((reader.str(part), Some(reader.str(part))))
                }
                "pair_pattern" => {
                    let key = reader.str(field(part, "key")?);
                    let value = field(part, "value")?;
                    (value.kind() == "identifier").then(|| (reader.str(value), Some(key)))
                }
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

pub(super) fn visit(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) -> Place {
    let mut inside = place.clone();
    if let Some(case) = case(reader, node) {
        inside.case = Some(case);
    }
    match node.kind() {
        kind if FUNCTIONS.contains(&kind) => {
            let (name, tool) = (name(reader, node), tool(reader, node));
            let params = params(reader, node);
            let case = inside.case.clone();
            inside = Place {
                case,
                ..reader.begin(&inside, &name, params, tool)
            };
        }
        "call_expression" | "new_expression" => call(reader, node, &inside),
        "variable_declarator" => {
            flow(reader, &inside, field(node, "name"), field(node, "value"));
        }
        "assignment_expression" | "for_in_statement" => {
            flow(reader, &inside, field(node, "left"), field(node, "right"));
        }
        "identifier"
        | "member_expression"
        | "subscript_expression"
        | "shorthand_property_identifier" => {
            reference(reader, node, &inside);
        }
        _ => {}
    }
    inside
}

fn flow(reader: &mut Reader<'_>, place: &Place, to: Option<Node<'_>>, from: Option<Node<'_>>) {
    if let (Some(to), Some(from)) = (to, from) {
        let (to, from) = (reader.names(to, NAMES), reader.names(from, NAMES));
        reader.flow(place, to, from);
    }
}

fn call(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) {
    let Some(function) = field(node, "function").or_else(|| field(node, "constructor")) else {
        return;
    };
    let arguments = field(node, "arguments").map(children).unwrap_or_default();
    let args: Vec<_> = arguments.iter().map(|&a| reader.names(a, NAMES)).collect();
    if let Some(chain) = chain(reader, function) {
        if let Some(tool) = registered(reader, node) {
            for handler in arguments.iter().filter(|a| a.kind() == "identifier") {
                reader.hand(reader.str(*handler), &tool);
            }
        }
        let all = args.iter().flatten().cloned().collect();
        reader.reference(node, place, &chain, Some(all));
        if let Some(last) = chain.last() {
            reader.call(place, last, args);
        }
    }
}

/// What is named without being called: a callback, a constant.
fn reference(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) {
    let Some(parent) = node.parent() else {
        return;
    };
    let is_part = match parent.kind() {
        "call_expression" => field(parent, "function") == Some(node),
        "new_expression" => field(parent, "constructor") == Some(node),
        "member_expression" | "subscript_expression" => field(parent, "object") == Some(node),
        "variable_declarator" => field(parent, "name") == Some(node),
        "import_clause" | "import_specifier" | "namespace_import" | "import_require_clause" => true,
        _ => false,
    };
    if !is_part && let Some(chain) = chain(reader, node) {
        reader.reference(node, place, &chain, None);
    }
}

/// The names of `a.b["c"].d`, from the first.
fn chain<'a>(reader: &Reader<'a>, node: Node<'_>) -> Option<Vec<&'a str>> {
    let mut names = Vec::new();
    let mut next = node;
    loop {
        next = match next.kind() {
            "identifier" | "shorthand_property_identifier" | "this" => {
                names.push(reader.str(next));
                names.reverse();
                return Some(names);
            }
            "member_expression" => {
                names.push(reader.str(field(next, "property")?));
                field(next, "object")?
            }
            "subscript_expression" => {
                let index = field(next, "index")?;
                if index.kind() == "string" {
                    names.push(unquoted(reader.str(index)));
                }
                field(next, "object")?
            }
            "call_expression" => field(next, "function")?,
            "parenthesized_expression" | "non_null_expression" | "await_expression" => {
                children(next).into_iter().next()?
            }
            _ => return None,
        };
    }
}

fn name(reader: &Reader<'_>, node: Node<'_>) -> String {
    let own = field(node, "name");
    let given = || {
        let parent = node.parent()?;
        match parent.kind() {
            "variable_declarator" => field(parent, "name"),
            "pair" => field(parent, "key"),
            "assignment_expression" => {
                let left = field(parent, "left")?;
                field(left, "property").or(Some(left))
            }
            "public_field_definition" => field(parent, "name"),
            "field_definition" => field(parent, "property"),
            _ => None,
        }
    };
    own.or_else(given)
        .map(|name| reader.str(name).to_owned())
        .unwrap_or_default()
}

fn params(reader: &Reader<'_>, node: Node<'_>) -> Vec<Vec<String>> {
    match (field(node, "parameters"), field(node, "parameter")) {
        (Some(list), _) => children(list)
            .into_iter()
            .map(|p| reader.names(p, NAMES))
            .collect(),
        (None, Some(one)) => vec![reader.names(one, NAMES)],
        (None, None) => Vec::new(),
    }
}

/// The tool that a function is given for: as an argument of what registers tools, or in an object that is one.
fn tool(reader: &Reader<'_>, function: Node<'_>) -> Option<String> {
    let mut node = function.parent()?;
    if node.kind() == "pair" {
        let key = field(node, "key").map(|key| reader.str(key))?;
        if !HANDLERS.contains(&key) {
            return None;
        }
        node = node.parent()?.parent()?;
    } else if function.kind() == "method_definition" {
        let key = field(function, "name").map(|key| reader.str(key))?;
        if !HANDLERS.contains(&key) {
            return None;
        }
        node = node.parent()?;
    }
    if node.kind() != "arguments" {
        return None;
    }
    registered(reader, node.parent()?)
}

/// The tool that a call registers.
fn registered(reader: &Reader<'_>, call: Node<'_>) -> Option<String> {
    let function = field(call, "function")?;
    let arguments = children(field(call, "arguments")?);
    let first = *arguments.first()?;
    let chain = chain(reader, function)?;
    let last = *chain.last()?;
    if last == "setRequestHandler" {
        return reader
            .str(first)
            .contains("CallTool")
            .then(|| "*".to_owned());
    }
    if !REGISTER.contains(&last) || chain.len() < 2 {
        return None;
    }
    let name = match first.kind() {
        "string" => unquoted(reader.str(first)),
        "object" => children(first).into_iter().find_map(|pair| {
            let is_name = field(pair, "key").is_some_and(|key| reader.str(key) == "name");
            let value = field(pair, "value").filter(|value| is_name && value.kind() == "string")?;
            Some(unquoted(reader.str(value)))
        })?,
        _ => "*",
    };
    Some(name.to_owned())
}

/// `case "x":` and the branch of `if (name === "x")`.
fn case(reader: &Reader<'_>, node: Node<'_>) -> Option<String> {
    if node.kind() == "switch_case" {
        let value = field(node, "value").filter(|value| value.kind() == "string")?;
        return Some(unquoted(reader.str(value)).to_owned());
    }
    let parent = node
        .parent()
        .filter(|parent| parent.kind() == "if_statement")?;
    if field(parent, "consequence") != Some(node) {
        return None;
    }
    let condition = children(field(parent, "condition")?).into_iter().next()?;
    let operator = field(condition, "operator").map(|operator| reader.str(operator))?;
    if !operator.starts_with("==") {
        return None;
    }
    let sides = [field(condition, "left")?, field(condition, "right")?];
    let text = sides.into_iter().find(|side| side.kind() == "string")?;
    Some(unquoted(reader.str(text)).to_owned())
}

fn with<'t>(below: &[&'t str], more: &[&'t str]) -> Vec<&'t str> {
    // A module's default export is the module.
    below
        .iter()
        .chain(more.iter().filter(|name| **name != "default"))
        .copied()
        .collect()
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\'', '`'])
}
