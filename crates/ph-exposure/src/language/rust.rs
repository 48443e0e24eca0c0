//! Rust. A tool is a function under `#[tool]` or `#[tool(…)]`.

use tree_sitter::Node;

use super::{Place, Reader, children, field};
use crate::code::Import;

const NAMES: &[&str] = &["identifier", "shorthand_field_identifier", "self"];

pub(super) fn imports(reader: &Reader<'_>, node: Node<'_>) -> (Vec<Import>, Option<usize>) {
    let mut found = Vec::new();
    if node.kind() == "use_declaration"
        && let Some(argument) = field(node, "argument")
    {
        tree(reader, node, argument, "", &mut found);
    }
    (found, None)
}

/// One branch of a `use`, with the path that leads to it.
fn tree(
    reader: &Reader<'_>,
    statement: Node<'_>,
    node: Node<'_>,
    before: &str,
    found: &mut Vec<Import>,
) {
    let join = |name: &str| {
        if before.is_empty() {
            name.to_owned()
        } else {
            format!("{before}::{name}")
        }
    };
    match node.kind() {
        "use_list" => {
            for child in children(node) {
                tree(reader, statement, child, before, found);
            }
        }
        "scoped_use_list" => {
            let path = field(node, "path")
                .map(|path| join(reader.str(path)))
                .unwrap_or_default();
            if let Some(list) = field(node, "list") {
                tree(reader, statement, list, &path, found);
            }
        }
        "use_as_clause" => {
            if let (Some(path), Some(alias)) = (field(node, "path"), field(node, "alias")) {
                brought(
                    reader,
                    statement,
                    &join(reader.str(path)),
                    Some(reader.str(alias)),
                    found,
                );
            }
        }
        "use_wildcard" => {
            if let Some(path) = children(node).into_iter().next() {
                brought(reader, statement, &join(reader.str(path)), None, found);
            }
        }
        "self" => {
            let local = before.rsplit("::").next();
            brought(reader, statement, before, local, found);
        }
        _ => {
            let path = join(reader.str(node));
            let local = path.rsplit("::").next().map(str::to_owned);
            brought(reader, statement, &path, local.as_deref(), found);
        }
    }
}

fn brought(
    reader: &Reader<'_>,
    statement: Node<'_>,
    path: &str,
    local: Option<&str>,
    found: &mut Vec<Import>,
) {
    let path = path.trim_start_matches("::");
    if let Some(below) = reader.imports.below(path) {
        found.push(reader.import(statement, local, &below));
    }
}

pub(super) fn visit(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) -> Place {
    let mut inside = place.clone();
    match node.kind() {
        "function_item" | "closure_expression" => {
            let name = field(node, "name")
                .map(|n| reader.str(n).to_owned())
                .unwrap_or_default();
            let tool = tool(reader, node, &name);
            let params = params(reader, node);
            inside = reader.begin(place, &name, params, tool);
        }
        "call_expression" => call(reader, node, place),
        "let_declaration" | "let_condition" => {
            flow(reader, place, field(node, "pattern"), field(node, "value"));
        }
        "assignment_expression" => flow(reader, place, field(node, "left"), field(node, "right")),
        "for_expression" => flow(reader, place, field(node, "pattern"), field(node, "value")),
        "identifier" | "scoped_identifier" | "type_identifier" | "scoped_type_identifier" => {
            reference(reader, node, place);
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
    let Some(function) = field(node, "function") else {
        return;
    };
    let arguments = field(node, "arguments").map(children).unwrap_or_default();
    let args: Vec<_> = arguments.iter().map(|&a| reader.names(a, NAMES)).collect();
    let all: Vec<String> = args.iter().flatten().cloned().collect();
    if function.kind() == "field_expression" {
        if let Some(name) = field(function, "field") {
            reader.call(place, reader.str(name), args);
        }
        return;
    }
    let chain = chain(reader, function);
    named(reader, node, place, &chain, Some(all));
    if let Some(last) = chain.last() {
        reader.call(place, last, args);
    }
}

/// By an imported name, or by its whole path.
fn named(
    reader: &mut Reader<'_>,
    node: Node<'_>,
    place: &Place,
    chain: &[&str],
    args: Option<Vec<String>>,
) {
    let path = chain.join("::");
    if let Some(below) = reader.imports.below(&path) {
        let mut import = reader.import(node, None, &[]);
        import.text = reader.shown(node);
        let is_new = !reader
            .code
            .imports
            .iter()
            .any(|known| known.line == import.line);
        if is_new {
            reader.code.imports.push(import);
        }
        let whole = chain.first().copied().unwrap_or_default();
        let segments: Vec<&str> = std::iter::once(whole)
            .chain(below.iter().copied())
            .collect();
        reader
            .imports
            .bind(vec![reader.import(node, Some(whole), &[])]);
        reader.reference(node, place, &segments, args);
    } else {
        reader.reference(node, place, chain, args);
    }
}

fn reference(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) {
    let Some(parent) = node.parent() else {
        return;
    };
    let is_part = match parent.kind() {
        "call_expression" => field(parent, "function") == Some(node),
        "scoped_identifier"
        | "scoped_type_identifier"
        | "use_declaration"
        | "use_list"
        | "scoped_use_list"
        | "use_as_clause"
        | "use_wildcard" => true,
        "let_declaration" | "parameter" => field(parent, "pattern") == Some(node),
        _ => false,
    };
    if !is_part {
        let chain = chain(reader, node);
        named(reader, node, place, &chain, None);
    }
}

fn chain<'a>(reader: &Reader<'a>, node: Node<'_>) -> Vec<&'a str> {
    let text = reader.str(node);
    let path = text
        .split(['<', '(', '{', ' ', '\n'])
        .next()
        .unwrap_or(text);
    path.split("::").filter(|name| !name.is_empty()).collect()
}

fn params(reader: &Reader<'_>, node: Node<'_>) -> Vec<Vec<String>> {
    let list = field(node, "parameters").map(children).unwrap_or_default();
    list.into_iter()
        .filter(|p| p.kind() != "self_parameter" && p.kind() != "attribute_item")
        .map(|p| reader.names(field(p, "pattern").unwrap_or(p), NAMES))
        .collect()
}

/// Attributes stand before the function.
fn tool(reader: &Reader<'_>, function: Node<'_>, name: &str) -> Option<String> {
    let mut before = function.prev_named_sibling();
    while let Some(node) = before {
        match node.kind() {
            "attribute_item" => {
                let text = reader.str(node);
                let inner = text.trim_start_matches("#[").trim_start();
                if inner
                    .strip_prefix("tool")
                    .is_some_and(|rest| rest.starts_with(['(', ']', ' ']))
                {
                    return Some(given_name(inner).unwrap_or(name).to_owned());
                }
            }
            "line_comment" | "block_comment" => {}
            _ => return None,
        }
        before = node.prev_named_sibling();
    }
    None
}

fn given_name(attribute: &str) -> Option<&str> {
    let (_, after) = attribute.split_once("name")?;
    let after = after
        .trim_start()
        .strip_prefix('=')?
        .trim_start()
        .strip_prefix('"')?;
    after.split('"').next()
}
