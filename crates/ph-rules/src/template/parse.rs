//! From words to what is done for each element.

use std::ops::Range;

use ph_base::diagnostic::nearest;

use super::TemplateError;
use super::call::Function;
use super::lex::{self, Number, Piece, Token, Word, error};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipeline),
    /// `$x := …` and `$x = …`: the slot that is set.
    Set(usize, Pipeline),
    /// `if` and `with`: the first branch that holds.
    Branch(Vec<(Condition, Vec<Node>)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    If(Option<usize>, Pipeline),
    /// The value becomes the dot.
    With(Option<usize>, Pipeline),
    Else,
}

/// Commands whose value is the last argument of the next one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline(pub(super) Vec<Command>);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Call(Function, Vec<Term>),
    Value(Term),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Dot,
    /// A variable by its slot.
    Variable(usize),
    /// `.x` of a value.
    Field(Box<Term>, String),
    Text(String),
    Number(Number),
    Bool(bool),
    Call(Function),
    Group(Box<Pipeline>),
}

/// Variables that are there from the start, by slot: the dot of the top and its four parts.
pub(super) const GIVEN: [&str; 5] = ["$", "$labels", "$externalLabels", "$externalURL", "$value"];

/// Variables of one template.
const VARIABLES_MAX: usize = 64;

/// Levels of `if`, `with` and parentheses.
const DEPTH_MAX: usize = 32;

pub(super) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let pieces = lex::pieces(text)?;
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        variables: GIVEN.iter().map(|name| (*name).to_owned()).collect(),
        slots: GIVEN.len(),
        depth: 0,
        withs: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        Stop::Text => Ok(nodes),
        Stop::Else(_, at) => error(at, "unexpected {{else}}"),
        Stop::End(at) => error(at, "unexpected {{end}}"),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// Those in sight; the slot of each is its place among all that were declared.
    variables: Vec<String>,
    slots: usize,
    depth: usize,
    /// Levels of `with`: only there the dot may be something else than the top.
    withs: usize,
}

/// Where a list of nodes ended.
enum Stop {
    Text,
    Else(Vec<Token>, Range<usize>),
    End(Range<usize>),
}

impl Parser {
    /// Nodes up to an `else`, an `end` or the end of the text.
    fn list(&mut self) -> Result<(Vec<Node>, Stop), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, at) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, at) => (tokens, at),
            };
            let Some(first) = tokens.first() else {
                return error(at, "missing value for command");
            };
            let keyword = match &first.word {
                Word::Name(name) => name.as_str(),
                _ => "",
            };
            match keyword {
                "if" | "with" => {
                    let is_with = keyword == "with";
                    nodes.push(self.branch(&tokens[1..], is_with, &at)?);
                }
                "else" => return Ok((nodes, Stop::Else(tokens[1..].to_vec(), at))),
                "end" if tokens.len() == 1 => return Ok((nodes, Stop::End(at))),
                "end" => return error(tokens[1].at.clone(), "unexpected word after `end`"),
                "range" | "template" | "define" | "block" | "break" | "continue" => {
                    let at = first.at.clone();
                    return error(at, format!("not supported: `{keyword}`"));
                }
                _ => {
                    let (slot, pipeline) = self.declaration(&tokens, &at)?;
                    nodes.push(match slot {
                        Some(slot) => Node::Set(slot, pipeline),
                        None => Node::Print(pipeline),
                    });
                }
            }
        }
        Ok((nodes, Stop::Text))
    }

    fn branch(
        &mut self,
        tokens: &[Token],
        is_with: bool,
        at: &Range<usize>,
    ) -> Result<Node, TemplateError> {
        self.deeper(at)?;
        let in_sight = self.variables.len();
        let mut branches = Vec::new();
        let mut condition = self.condition(tokens, is_with, at)?;
        loop {
            let is_inside = matches!(condition, Condition::With(..));
            self.withs += usize::from(is_inside);
            let (nodes, end) = self.list()?;
            self.withs -= usize::from(is_inside);
            let is_else = condition == Condition::Else;
            branches.push((condition, nodes));
            match end {
                Stop::Text => return error(at.clone(), "no {{end}} for this"),
                Stop::End(_) => break,
                Stop::Else(_, at) if is_else => {
                    return error(at, "expected end; found {{else}}");
                }
                Stop::Else(tokens, _) if tokens.is_empty() => condition = Condition::Else,
                Stop::Else(tokens, at) => match &tokens[0].word {
                    Word::Name(name) if name == "if" && !is_with => {
                        condition = self.condition(&tokens[1..], false, &at)?;
                    }
                    _ => return error(tokens[0].at.clone(), "unexpected word after `else`"),
                },
            }
        }
        self.forget(in_sight);
        self.depth -= 1;
        Ok(Node::Branch(branches))
    }

    fn condition(
        &mut self,
        tokens: &[Token],
        is_with: bool,
        at: &Range<usize>,
    ) -> Result<Condition, TemplateError> {
        let (slot, pipeline) = self.declaration(tokens, at)?;
        Ok(if is_with {
            Condition::With(slot, pipeline)
        } else {
            Condition::If(slot, pipeline)
        })
    }

    /// A pipeline, whose value may go into a variable.
    fn declaration(
        &mut self,
        tokens: &[Token],
        at: &Range<usize>,
    ) -> Result<(Option<usize>, Pipeline), TemplateError> {
        if let [first, second, rest @ ..] = tokens
            && let (Word::Variable(name), Word::Declare | Word::Assign) =
                (&first.word, &second.word)
        {
            let pipeline = self.pipeline(rest, at)?;
            let slot = if second.word == Word::Declare {
                self.declare(name, &first.at)?
            } else {
                self.slot(name, &first.at)?
            };
            return Ok((Some(slot), pipeline));
        }
        Ok((None, self.pipeline(tokens, at)?))
    }

    fn declare(&mut self, name: &str, at: &Range<usize>) -> Result<usize, TemplateError> {
        if self.slots >= VARIABLES_MAX {
            return error(at.clone(), format!("more than {VARIABLES_MAX} variables"));
        }
        // Slots of variables out of sight are not given again, so a name marks the gap.
        while self.variables.len() < self.slots {
            self.variables.push(String::new());
        }
        self.variables.push(name.to_owned());
        self.slots += 1;
        Ok(self.slots - 1)
    }

    fn forget(&mut self, in_sight: usize) {
        for name in self.variables.iter_mut().skip(in_sight) {
            name.clear();
        }
    }

    fn slot(&self, name: &str, at: &Range<usize>) -> Result<usize, TemplateError> {
        match self.variables.iter().rposition(|known| known == name) {
            Some(slot) => Ok(slot),
            None => {
                let near = nearest(name, &GIVEN[1..]);
                let hint = near.map(|near| format!("; did you mean `{near}`?"));
                let hint = hint.unwrap_or_default();
                error(at.clone(), format!("undefined variable `{name}`{hint}"))
            }
        }
    }

    fn pipeline(&mut self, tokens: &[Token], at: &Range<usize>) -> Result<Pipeline, TemplateError> {
        let mut commands = Vec::new();
        for part in split(tokens) {
            let Some(first) = part.first() else {
                return error(at.clone(), "missing value for command");
            };
            let command = self.command(part)?;
            if let (Command::Value(_), false) = (&command, commands.is_empty()) {
                let at = first.at.clone();
                return error(at, "only a function can take the value before `|`");
            }
            commands.push(command);
        }
        if let [.., Command::Call(function, args)] = commands.as_slice() {
            // All but the last are checked when the next one is read.
            function.check(args, commands.len() > 1, at)?;
        }
        let before_last = commands.len().saturating_sub(1);
        for (nth, command) in commands.iter().take(before_last).enumerate() {
            if let Command::Call(function, args) = command {
                function.check(args, nth > 0, at)?;
            }
        }
        Ok(Pipeline(commands))
    }

    fn command(&mut self, tokens: &[Token]) -> Result<Command, TemplateError> {
        let mut terms = Vec::new();
        let mut rest = tokens;
        while let Some(first) = rest.first() {
            if !terms.is_empty() && !first.spaced {
                return error(first.at.clone(), "missing space before this");
            }
            let (term, used) = self.term(rest)?;
            terms.push((term, first.at.start..rest[used - 1].at.end));
            rest = &rest[used..];
        }
        let mut terms = terms.into_iter();
        match terms.next() {
            Some((Term::Call(function), _)) => {
                let args = terms.map(|(term, _)| term).collect();
                Ok(Command::Call(function, args))
            }
            Some((term, _)) => match terms.next() {
                None => Ok(Command::Value(term)),
                Some((_, at)) => error(at, "only a function can have arguments"),
            },
            None => error(0..0, "missing value for command"),
        }
    }

    /// One operand with its fields, and how many words it takes.
    fn term(&mut self, tokens: &[Token]) -> Result<(Term, usize), TemplateError> {
        let first = &tokens[0];
        let mut used = 1;
        let mut term = match &first.word {
            Word::Dot => Term::Dot,
            Word::Field(name) => self.field(Term::Dot, name, &first.at)?,
            Word::Variable(name) => Term::Variable(self.slot(name, &first.at)?),
            Word::Text(text) => Term::Text(text.clone()),
            Word::Number(number) => Term::Number(*number),
            Word::Name(name) if name == "true" || name == "false" => Term::Bool(name == "true"),
            Word::Name(name) => Term::Call(Function::named(name, &first.at)?),
            Word::Open => {
                self.deeper(&first.at)?;
                let close = closing(tokens)?;
                used = close + 1;
                let pipeline = self.pipeline(&tokens[1..close], &first.at)?;
                self.depth -= 1;
                Term::Group(Box::new(pipeline))
            }
            Word::Pipe | Word::Close | Word::Declare | Word::Assign | Word::Comma => {
                return error(first.at.clone(), "unexpected here");
            }
        };
        while let Some(Token {
            word: Word::Field(name),
            spaced: false,
            at,
        }) = tokens.get(used)
        {
            term = self.field(term, name, at)?;
            used += 1;
        }
        Ok((term, used))
    }

    /// What cannot be there is refused now, and not when the alert fires.
    fn field(&self, of: Term, name: &str, at: &Range<usize>) -> Result<Term, TemplateError> {
        const PARTS: [&str; 4] = ["Labels", "ExternalLabels", "ExternalURL", "Value"];
        let is_top = of == Term::Variable(0) || (of == Term::Dot && self.withs == 0);
        if is_top && !PARTS.contains(&name) {
            let near = nearest(name, &PARTS).map(|near| format!("; did you mean `.{near}`?"));
            let hint = near.unwrap_or_else(|| format!("; known are .{}", PARTS.join(", .")));
            return error(at.clone(), format!("there is no `.{name}`{hint}"));
        }
        let is_map = match &of {
            Term::Variable(slot) => !matches!(GIVEN.get(*slot), Some(&("$externalURL" | "$value"))),
            Term::Field(inner, part) => match (&**inner, part.as_str()) {
                (Term::Dot | Term::Variable(0), "Labels" | "ExternalLabels") => true,
                (Term::Dot, _) => self.withs > 0,
                _ => false,
            },
            Term::Dot | Term::Group(_) => true,
            Term::Text(_) | Term::Number(_) | Term::Bool(_) | Term::Call(_) => false,
        };
        if is_map {
            Ok(Term::Field(Box::new(of), name.to_owned()))
        } else {
            error(at.clone(), format!("there is no field `.{name}` of this"))
        }
    }

    fn deeper(&mut self, at: &Range<usize>) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return error(at.clone(), format!("more than {DEPTH_MAX} levels"));
        }
        Ok(())
    }
}

/// The commands of a pipeline: what stands between pipes outside of parentheses.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, 0_usize);
    for (nth, token) in tokens.iter().enumerate() {
        match token.word {
            Word::Open => open += 1,
            Word::Close => open = open.saturating_sub(1),
            Word::Pipe if open == 0 => {
                parts.push(&tokens[start..nth]);
                start = nth + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[start..]);
    parts
}

/// Where the parenthesis that begins the tokens is closed.
fn closing(tokens: &[Token]) -> Result<usize, TemplateError> {
    let mut open = 0_usize;
    for (nth, token) in tokens.iter().enumerate() {
        match token.word {
            Word::Open => open += 1,
            Word::Close => {
                open -= 1;
                if open == 0 {
                    return Ok(nth);
                }
            }
            _ => {}
        }
    }
    error(tokens[0].at.clone(), "unclosed left paren")
}
