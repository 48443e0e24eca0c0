//! What is known of one file, whatever its language: functions, calls, and which names flow into which.

/// A file as it was read.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// The first is the file itself.
    pub functions: Vec<Function>,
    pub imports: Vec<Import>,
    pub references: Vec<Reference>,
    /// Lines at which a module is loaded whose name is not in the text.
    pub unseen: Vec<usize>,
    /// The line of the first part that could not be read.
    pub mistake: Option<usize>,
}

/// A function, a method, a closure; or what a file does when it is loaded.
#[derive(Debug, Default)]
pub(crate) struct Function {
    /// Empty where it has none.
    pub name: String,
    /// The names that each parameter brings, without a receiver.
    pub params: Vec<Vec<String>>,
    /// The function around it.
    pub parent: usize,
    /// The tool that it answers for; `*`: any, by a name in the request.
    pub tool: Option<String>,
    pub calls: Vec<Call>,
    pub flows: Vec<Flow>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The last name of what is called.
    pub name: String,
    /// The names in each argument.
    pub args: Vec<Vec<String>>,
    /// The branch that it is in, where the branch compares a name with a text.
    pub case: Option<String>,
}

/// What is on the right comes to the names on the left.
#[derive(Debug)]
pub(crate) struct Flow {
    pub to: Vec<String>,
    pub from: Vec<String>,
}

/// One import of the wanted package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// The name that it has in this file; none where it has none.
    pub local: Option<String>,
    /// The names below the package that it brings: empty for the package as a whole.
    pub segments: Vec<String>,
    pub line: usize,
    pub text: String,
}

/// A place at which the wanted package is named after its import.
#[derive(Debug)]
pub(crate) struct Reference {
    pub function: usize,
    /// All names below the package.
    pub segments: Vec<String>,
    pub line: usize,
    /// The call around it, on one line, at most 200 characters.
    pub text: String,
    /// The names in the arguments, where it is what is called.
    pub args: Option<Vec<String>>,
    pub case: Option<String>,
}

impl Code {
    /// The function and those around it, the innermost first.
    pub(crate) fn around(&self, function: usize) -> impl Iterator<Item = usize> + '_ {
        let mut next = Some(function);
        std::iter::from_fn(move || {
            let this = next?;
            next = (this != 0).then(|| self.functions[this].parent);
            Some(this)
        })
    }
}
