//! Python.
//!
//! A tool is a function under `@….tool` or `@….tool(…)`; `@….call_tool()` answers for all, and its branches tell the
//! tools apart.

use tree_sitter::Node;

use super::{Place, Reader, children, field};
use crate::code::Import;

const NAMES: &[&str] = &["identifier"];

pub(super) fn imports(reader: &Reader<'_>, node: Node<'_>) -> (Vec<Import>, Option<usize>) {
    match node.kind() {
        "import_statement" => (
            children(node)
                .into_iter()
                .filter_map(|n| module(reader, node, n))
                .collect(),
            None,
        ),
        "import_from_statement" => (from(reader, node), None),
        "call" => loaded(reader, node),
        _ => (Vec::new(), None),
    }
}

/// `import a.b` brings `a`, `import a.b as c` brings `c` for all of it.
fn module(reader: &Reader<'_>, statement: Node<'_>, node: Node<'_>) -> Option<Import> {
    if node.kind() == "aliased_import" {
        let below = reader.imports.below(reader.str(field(node, "name")?))?;
        return Some(reader.import(statement, Some(reader.str(field(node, "alias")?)), &below));
    }
    let path = reader.str(node);
    let below = reader.imports.below(path)?;
    let whole = path.len() - below.iter().map(|name| name.len() + 1).sum::<usize>();
    let local = path.get(..whole).unwrap_or(path);
    // A package below a namespace (`google.protobuf`) is followed by its first name.
    let first = local.split('.').next().unwrap_or(local);
    Some(reader.import(statement, Some(first), &[]))
}

fn from(reader: &Reader<'_>, node: Node<'_>) -> Vec<Import> {
    let module = field(node, "module_name");
    let Some(below) = module.and_then(|m| reader.imports.below(reader.str(m))) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for part in children(node)
        .into_iter()
        .filter(|part| Some(*part) != module)
    {
        let (name, local) = match part.kind() {
            "aliased_import" => (field(part, "name"), field(part, "alias")),
            "dotted_name" => (Some(part), Some(part)),
            _ => continue,
        };
        if let (Some(name), Some(local)) = (name, local) {
            let mut segments = below.clone();
            segments.push(reader.str(name));
            found.push(reader.import(node, Some(reader.str(local)), &segments));
        }
    }
    if found.is_empty() {
        found.push(reader.import(node, None, &below));
    }
    found
}

/// `importlib.import_module("x")` and `__import__("x")`.
fn loaded(reader: &Reader<'_>, node: Node<'_>) -> (Vec<Import>, Option<usize>) {
    let function = field(node, "function")
        .map(|f| reader.str(f))
        .unwrap_or_default();
    if !matches!(
        function,
        "importlib.import_module" | "import_module" | "__import__"
    ) {
        return (Vec::new(), None);
    }
    let argument = field(node, "arguments").and_then(|a| children(a).into_iter().next());
    let Some(argument) = argument.filter(|a| a.kind() == "string") else {
        return (Vec::new(), Some(Reader::line(node)));
    };
    let Some(below) = reader.imports.below(unquoted(reader.str(argument))) else {
        return (Vec::new(), None);
    };
    let local = node
        .parent()
        .filter(|parent| parent.kind() == "assignment")
        .and_then(|parent| field(parent, "left"))
        .filter(|left| left.kind() == "identifier")
        .map(|left| reader.str(left));
    (vec![reader.import(node, local, &below)], None)
}

pub(super) fn visit(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) -> Place {
    let mut inside = place.clone();
    if let Some(case) = case(reader, node) {
        inside.case = Some(case);
    }
    match node.kind() {
        "function_definition" | "lambda" => {
            let name = field(node, "name")
                .map(|n| reader.str(n).to_owned())
                .unwrap_or_default();
            let tool = tool(reader, node, &name);
            let params = params(reader, node);
            let case = inside.case.clone();
            inside = Place {
                case,
                ..reader.begin(&inside, &name, params, tool)
            };
        }
        "call" => call(reader, node, &inside),
        "assignment" | "for_statement" | "for_in_clause" => {
            flow(reader, &inside, field(node, "left"), field(node, "right"));
        }
        "named_expression" => flow(reader, &inside, field(node, "name"), field(node, "value")),
        "as_pattern" => {
            flow(
                reader,
                &inside,
                field(node, "alias"),
                children(node).into_iter().next(),
            );
        }
        "identifier" | "attribute" => reference(reader, node, &inside),
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
    let Some(chain) = field(node, "function").and_then(|f| chain(reader, f)) else {
        return;
    };
    let arguments = field(node, "arguments").map(children).unwrap_or_default();
    let args: Vec<_> = arguments
        .iter()
        .map(|&a| reader.names(field(a, "value").unwrap_or(a), NAMES))
        .collect();
    let all = args.iter().flatten().cloned().collect();
    reader.reference(node, place, &chain, Some(all));
    if let Some(last) = chain.last() {
        if *last == "add_tool" && chain.len() > 1 {
            for handler in arguments.iter().filter(|a| a.kind() == "identifier") {
                let name = reader.str(*handler);
                reader.hand(name, name);
            }
        }
        reader.call(place, last, args);
    }
}

fn reference(reader: &mut Reader<'_>, node: Node<'_>, place: &Place) {
    let Some(parent) = node.parent() else {
        return;
    };
    let is_part = match parent.kind() {
        "call" => field(parent, "function") == Some(node),
        "attribute" => true,
        "assignment" => field(parent, "left") == Some(node),
        "keyword_argument" => field(parent, "name") == Some(node),
        "dotted_name" | "aliased_import" | "import_statement" | "import_from_statement" => true,
        _ => false,
    };
    if !is_part && let Some(chain) = chain(reader, node) {
        reader.reference(node, place, &chain, None);
    }
}

fn chain<'a>(reader: &Reader<'a>, node: Node<'_>) -> Option<Vec<&'a str>> {
    let mut names = Vec::new();
    let mut next = node;
    loop {
        next = match next.kind() {
            "identifier" => {
                names.push(reader.str(next));
                names.reverse();
                return Some(names);
            }
            "attribute" => {
                names.push(reader.str(field(next, "attribute")?));
                field(next, "object")?
            }
            "call" => field(next, "function")?,
            "await" | "parenthesized_expression" => children(next).into_iter().next()?,
            _ => return None,
        };
    }
}

/// Without `self` and `cls`, which are not given by the caller.
fn params(reader: &Reader<'_>, node: Node<'_>) -> Vec<Vec<String>> {
    let list = field(node, "parameters").map(children).unwrap_or_default();
    let names = list.into_iter().filter(|p| p.kind() != "comment").map(|p| {
        let name = field(p, "name").unwrap_or(p);
        let first = if name.kind() == "typed_parameter" {
            children(name).into_iter().next()
        } else {
            Some(name)
        };
        first
            .map(|name| reader.names(name, NAMES))
            .unwrap_or_default()
    });
    names
        .filter(|names| names != &["self"] && names != &["cls"])
        .collect()
}

fn tool(reader: &Reader<'_>, function: Node<'_>, name: &str) -> Option<String> {
    let parent = function
        .parent()
        .filter(|parent| parent.kind() == "decorated_definition")?;
    children(parent)
        .into_iter()
        .filter(|child| child.kind() == "decorator")
        .find_map(|decorator| {
            let node = children(decorator).into_iter().next()?;
            let chain = chain(reader, node)?;
            match *chain.last()? {
                "tool" => Some(tool_name(reader, node).unwrap_or(name).to_owned()),
                "call_tool" => Some("*".to_owned()),
                _ => None,
            }
        })
}

/// `@….tool("x")` and `@….tool(name="x")`.
fn tool_name<'a>(reader: &Reader<'a>, decorator: Node<'_>) -> Option<&'a str> {
    let arguments = children(field(decorator, "arguments")?);
    let text = arguments
        .into_iter()
        .find_map(|argument| match argument.kind() {
            "string" => Some(argument),
            "keyword_argument" => {
                let is_name = field(argument, "name").is_some_and(|key| reader.str(key) == "name");
                field(argument, "value").filter(|value| is_name && value.kind() == "string")
            }
            _ => None,
        })?;
    Some(unquoted(reader.str(text)))
}

/// The branch of `if name == "x":`, of `elif`, and of `case "x":`.
fn case(reader: &Reader<'_>, node: Node<'_>) -> Option<String> {
    let parent = node.parent()?;
    if field(parent, "consequence") != Some(node) {
        return None;
    }
    let text = match parent.kind() {
        "if_statement" | "elif_clause" => {
            let condition =
                field(parent, "condition").filter(|c| c.kind() == "comparison_operator")?;
            text_of(condition)?
        }
        "case_clause" => {
            let pattern = children(parent)
                .into_iter()
                .find(|child| child.kind() == "case_pattern")?;
            text_of(pattern)?
        }
        _ => return None,
    };
    Some(unquoted(reader.str(text)).to_owned())
}

fn text_of(node: Node<'_>) -> Option<Node<'_>> {
    children(node)
        .into_iter()
        .find(|side| side.kind() == "string")
}

fn unquoted(text: &str) -> &str {
    text.trim_start_matches(['r', 'b', 'f', 'u'])
        .trim_matches(['"', '\''])
}
