//! One element's text.

use std::borrow::Cow;

use ph_promql::Labels;

use super::format::float;
use super::lex::Number;
use super::parse::{Command, Condition, Node, Pipeline, Term};
use super::{ExpandError, Scope};

/// Bytes of one expanded text, and of any value on the way to it.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// What a term is worth.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Float(f64),
    Int(i64),
    Bool(bool),
    Map(&'a Labels),
    /// The dot of the top.
    Top,
}

/// Why it has no worth.
#[derive(Debug)]
pub(super) struct RunError(String);

impl RunError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// As it is printed.
    pub(super) fn printed(&self) -> String {
        match self {
            Self::Text(text) => text.clone().into_owned(),
            Self::Float(v) => float(*v, 'g', None),
            Self::Int(v) => v.to_string(),
            Self::Bool(v) => v.to_string(),
            Self::Map(labels) => {
                let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}:{v}")).collect();
                format!("map[{}]", pairs.join(" "))
            }
            Self::Top => "{}".to_owned(),
        }
    }

    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Float(_) => "float64",
            Self::Int(_) => "int",
            Self::Bool(_) => "bool",
            Self::Map(_) => "map[string]string",
            Self::Top => "struct",
        }
    }

    /// Whether an `if` takes it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Float(v) => *v != 0.0,
            Self::Int(v) => *v != 0,
            Self::Bool(v) => *v,
            Self::Map(labels) => !labels.is_empty(),
            Self::Top => true,
        }
    }
}

pub(super) fn run(nodes: &[Node], scope: &Scope<'_>) -> Result<String, ExpandError> {
    let mut run = Run {
        scope,
        variables: Vec::new(),
        dot: Value::Top,
        out: String::new(),
    };
    run.nodes(nodes)
        .map_err(|RunError(text)| ExpandError(text))?;
    Ok(run.out)
}

struct Run<'a> {
    scope: &'a Scope<'a>,
    /// By slot, after the given ones.
    variables: Vec<Option<Value<'a>>>,
    dot: Value<'a>,
    out: String,
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &[Node]) -> Result<(), RunError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Print(pipeline) => {
                    let value = self.pipeline(pipeline)?;
                    match &value {
                        Value::Text(text) => self.out.push_str(text),
                        value => self.out.push_str(&value.printed()),
                    }
                }
                Node::Set(slot, pipeline) => {
                    let value = self.pipeline(pipeline)?;
                    self.set(*slot, value);
                }
                Node::Branch(branches) => self.branch(branches)?,
            }
            within_bounds(&self.out)?;
        }
        Ok(())
    }

    fn branch(&mut self, branches: &[(Condition, Vec<Node>)]) -> Result<(), RunError> {
        for (condition, nodes) in branches {
            let (slot, pipeline, is_with) = match condition {
                Condition::Else => return self.nodes(nodes),
                Condition::If(slot, pipeline) => (slot, pipeline, false),
                Condition::With(slot, pipeline) => (slot, pipeline, true),
            };
            let value = self.pipeline(pipeline)?;
            if let Some(slot) = slot {
                self.set(*slot, value.clone());
            }
            if !value.is_true() {
                continue;
            }
            if !is_with {
                return self.nodes(nodes);
            }
            let before = std::mem::replace(&mut self.dot, value);
            let done = self.nodes(nodes);
            self.dot = before;
            return done;
        }
        Ok(())
    }

    fn set(&mut self, slot: usize, value: Value<'a>) {
        if self.variables.len() <= slot {
            self.variables.resize(slot + 1, None);
        }
        self.variables[slot] = Some(value);
    }

    fn pipeline(&self, pipeline: &Pipeline) -> Result<Value<'a>, RunError> {
        let mut last = None;
        for command in &pipeline.0 {
            let value = match command {
                Command::Value(term) => self.term(term)?,
                Command::Call(function, terms) => {
                    let mut args = Vec::with_capacity(terms.len() + 1);
                    for term in terms {
                        args.push(self.term(term)?);
                    }
                    args.extend(last);
                    function.call(&args, self.scope)?
                }
            };
            if let Value::Text(text) = &value {
                within_bounds(text)?;
            }
            last = Some(value);
        }
        last.ok_or_else(|| RunError::new("missing value for command".to_owned()))
    }

    fn term(&self, term: &Term) -> Result<Value<'a>, RunError> {
        Ok(match term {
            Term::Dot => self.dot.clone(),
            Term::Variable(slot) => self.variable(*slot),
            Term::Field(of, name) => return self.field(of, name),
            Term::Text(text) => Value::text(text.as_str()),
            Term::Number(Number::Int(v)) => Value::Int(*v),
            Term::Number(Number::Float(v)) => Value::Float(*v),
            Term::Bool(v) => Value::Bool(*v),
            Term::Call(function) => return function.call(&[], self.scope),
            Term::Group(pipeline) => return self.pipeline(pipeline),
        })
    }

    fn variable(&self, slot: usize) -> Value<'a> {
        match (self.variables.get(slot), slot) {
            (Some(Some(value)), _) => value.clone(),
            (_, 0) => Value::Top,
            (_, 1) => Value::Map(self.scope.labels),
            (_, 2) => Value::Map(self.scope.external_labels),
            (_, 3) => Value::Text(Cow::Borrowed(self.scope.external_url)),
            (_, 4) => Value::Float(self.scope.value),
            // Declared in a branch that was not taken; the parser lets nobody see it.
            _ => Value::text(""),
        }
    }

    fn field(&self, of: &Term, name: &str) -> Result<Value<'a>, RunError> {
        match (self.term(of)?, name) {
            (Value::Top, "Labels") => Ok(self.variable(1)),
            (Value::Top, "ExternalLabels") => Ok(self.variable(2)),
            (Value::Top, "ExternalURL") => Ok(self.variable(3)),
            (Value::Top, "Value") => Ok(self.variable(4)),
            (Value::Map(labels), name) => Ok(label(labels, name)),
            (value, name) => Err(RunError::new(format!(
                "can't evaluate field {name} in type {}",
                value.go_type()
            ))),
        }
    }
}

/// A label that is not there is an empty text.
pub(super) fn label<'a>(labels: &'a Labels, name: &str) -> Value<'a> {
    Value::Text(Cow::Borrowed(labels.get(name).unwrap_or_default()))
}

fn within_bounds(text: &str) -> Result<(), RunError> {
    if text.len() > TEXT_BYTES_MAX {
        let text = format!("more than {TEXT_BYTES_MAX} bytes");
        return Err(RunError::new(text));
    }
    Ok(())
}
