//! The languages that are read, and what is common to their trees.

mod javascript;
mod python;
mod rust;

use tree_sitter::{Node, Parser};

use crate::code::{Call, Code, Flow, Function, Import, Reference};
use crate::imports::Imports;
use crate::wanted::Wanted;

/// A language that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// JavaScript, with JSX.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// Python.
    Python,
    /// Rust.
    Rust,
}

/// A file is read up to this size; a larger one is a bundle.
const FILE_BYTES_MAX: usize = 2 << 20;
/// So deep a tree is walked.
const DEPTH_MAX: usize = 300;
/// So much of a call is shown.
const TEXT_CHARS_MAX: usize = 200;

impl Language {
    /// By the end of the path.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let (_, end) = path.rsplit_once('.')?;
        Some(match end {
            "js" | "mjs" | "cjs" | "jsx" => Self::JavaScript,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            "py" => Self::Python,
            "rs" => Self::Rust,
            _ => return None,
        })
    }

    /// What is between the names of a module's path.
    pub(crate) fn separator(self) -> &'static str {
        match self {
            Self::JavaScript | Self::TypeScript | Self::Tsx => "/",
            Self::Python => ".",
            Self::Rust => "::",
        }
    }

    fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Self::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::Rust => tree_sitter_rust::LANGUAGE.into(),
        }
    }
}

/// Reads one file, or says why it cannot be read.
pub(crate) fn read(language: Language, text: &str, wanted: &Wanted) -> Result<Code, String> {
    if text.len() > FILE_BYTES_MAX {
        return Err(format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    let mut parser = Parser::new();
    let broken = |_| "its grammar cannot be used".to_owned();
    parser.set_language(&language.grammar()).map_err(broken)?;
    let tree = parser.parse(text, None).ok_or("it cannot be parsed")?;
    let mut reader = Reader::new(language, text, wanted);
    reader.walk_imports(tree.root_node(), 0)?;
    reader.walk(tree.root_node(), &Place::default(), 0)?;
    reader.code.mistake = mistake(tree.root_node());
    Ok(reader.code)
}

/// Where a node is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub function: usize,
    pub case: Option<String>,
}

/// What goes through a tree.
pub(crate) struct Reader<'a> {
    pub language: Language,
    pub text: &'a str,
    pub imports: Imports<'a>,
    pub code: Code,
    /// Names of functions that were given as a tool's handler before or after they are seen.
    pub handlers: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    fn new(language: Language, text: &'a str, wanted: &'a Wanted) -> Self {
        let code = Code {
            functions: vec![Function::default()],
            ..Code::default()
        };
        Self {
            language,
            text,
            imports: Imports::new(wanted, language),
            code,
            handlers: Vec::new(),
        }
    }

    /// First all imports: a name may be used above the line that brings it.
    fn walk_imports(&mut self, node: Node<'_>, depth: usize) -> Result<(), String> {
        check_depth(depth)?;
        let (found, unseen) = match self.language {
            Language::Python => python::imports(self, node),
            Language::Rust => rust::imports(self, node),
            _ => javascript::imports(self, node),
        };
        self.code.imports.extend(found.iter().cloned());
        self.imports.bind(found);
        self.code.unseen.extend(unseen);
        for child in children(node) {
            self.walk_imports(child, depth + 1)?;
        }
        Ok(())
    }

    /// Then everything else.
    pub(crate) fn walk(
        &mut self,
        node: Node<'_>,
        place: &Place,
        depth: usize,
    ) -> Result<(), String> {
        check_depth(depth)?;
        let inside = match self.language {
            Language::Python => python::visit(self, node, place),
            Language::Rust => rust::visit(self, node, place),
            _ => javascript::visit(self, node, place),
        };
        for child in children(node) {
            self.walk(child, &inside, depth + 1)?;
        }
        Ok(())
    }

    pub(crate) fn str(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// The line, from 1.
    pub(crate) fn line(node: Node<'_>) -> usize {
        node.start_position().row + 1
    }

    /// On one line, bounded.
    pub(crate) fn shown(&self, node: Node<'_>) -> String {
        let mut shown = String::new();
        for word in self.str(node).split_whitespace() {
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(word);
            if shown.chars().count() > TEXT_CHARS_MAX {
                let mut cut: String = shown.chars().take(TEXT_CHARS_MAX).collect();
                cut.push('…');
                return cut;
            }
        }
        shown
    }

    pub(crate) fn import(&self, node: Node<'_>, local: Option<&str>, segments: &[&str]) -> Import {
        Import {
            local: local.map(str::to_owned),
            segments: segments.iter().map(|&s| s.to_owned()).collect(),
            line: Self::line(node),
            text: self.shown(node),
        }
    }

    /// A function begins: what is below is its.
    pub(crate) fn begin(
        &mut self,
        place: &Place,
        name: &str,
        params: Vec<Vec<String>>,
        tool: Option<String>,
    ) -> Place {
        let given = || {
            self.handlers
                .iter()
                .find(|(handler, _)| !name.is_empty() && handler == name)
        };
        let tool = tool.or_else(|| given().map(|(_, tool)| tool.clone()));
        self.code.functions.push(Function {
            name: name.to_owned(),
            params,
            parent: place.function,
            tool,
            ..Function::default()
        });
        Place {
            function: self.code.functions.len() - 1,
            case: None,
        }
    }

    /// The function of that name answers for the tool.
    pub(crate) fn hand(&mut self, handler: &str, tool: &str) {
        for function in self.code.functions.iter_mut().filter(|f| f.name == handler) {
            function.tool = Some(tool.to_owned());
        }
        self.handlers.push((handler.to_owned(), tool.to_owned()));
    }

    pub(crate) fn call(&mut self, place: &Place, name: &str, args: Vec<Vec<String>>) {
        self.code.functions[place.function].calls.push(Call {
            name: name.to_owned(),
            args,
            case: place.case.clone(),
        });
    }

    pub(crate) fn flow(&mut self, place: &Place, to: Vec<String>, from: Vec<String>) {
        if !to.is_empty() && !from.is_empty() {
            self.code.functions[place.function]
                .flows
                .push(Flow { to, from });
        }
    }

    /// `chain`: the names of the expression, from its first.
    pub(crate) fn reference(
        &mut self,
        node: Node<'_>,
        place: &Place,
        chain: &[&str],
        args: Option<Vec<String>>,
    ) {
        if let Some(segments) = self.imports.segments(chain) {
            self.code.references.push(Reference {
                function: place.function,
                segments,
                line: Self::line(node),
                text: self.shown(node),
                args,
                case: place.case.clone(),
            });
        }
    }

    /// All names in a node, of the kinds that are names in this language.
    pub(crate) fn names(&self, node: Node<'_>, kinds: &[&str]) -> Vec<String> {
        let mut names = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if kinds.contains(&node.kind()) {
                names.push(self.str(node).to_owned());
            }
            open.extend(children(node));
        }
        names
    }
}

/// The line of the first part that is not of the language.
fn mistake(root: Node<'_>) -> Option<usize> {
    let mut node = root.has_error().then_some(root)?;
    while !node.is_error() {
        let mut cursor = node.walk();
        let inner = node.children(&mut cursor).find(|child| child.has_error());
        match inner {
            Some(child) => node = child,
            None => break,
        }
    }
    Some(Reader::line(node))
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("nested deeper than {DEPTH_MAX}"));
    }
    Ok(())
}

pub(crate) fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).collect()
}

/// The child of a field.
pub(crate) fn field<'t>(node: Node<'t>, name: &str) -> Option<Node<'t>> {
    node.child_by_field_name(name)
}
