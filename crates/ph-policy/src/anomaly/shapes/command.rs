//! Commands of a shell behind a value.

use super::after_whole_word;

/// What an attacker runs first, and what downloads the rest.
const COMMANDS: [&str; 40] = [
    "awk",
    "base64",
    "bash",
    "busybox",
    "cat",
    "chmod",
    "chown",
    "cmd",
    "cmd.exe",
    "curl",
    "dd",
    "dig",
    "env",
    "find",
    "head",
    "id",
    "ifconfig",
    "kill",
    "ls",
    "mkfifo",
    "nc",
    "ncat",
    "netcat",
    "node",
    "nslookup",
    "perl",
    "php",
    "ping",
    "powershell",
    "printenv",
    "python",
    "python3",
    "rm",
    "ruby",
    "sh",
    "sleep",
    "uname",
    "wget",
    "whoami",
    "zsh",
];

/// These take a name or an address, so that a word behind them is one.
const TAKE_NAMES: [&str; 8] = [
    "curl", "dig", "nc", "ncat", "nslookup", "ping", "wget", "sleep",
];

/// So far behind a separator is looked.
const REACH: usize = 48;

/// Whether a command follows what separates commands.
pub(super) fn follows(text: &[u8], at: usize) -> bool {
    let rest = &text[at + 1..text.len().min(at + 1 + REACH)];
    match (text[at], rest) {
        (b'$', [b'(', inner @ ..]) => return is_command(inner, true),
        (b'$', [b'{', inner @ ..]) => return after_whole_word(inner, "IFS").is_some(),
        (b'$', _) => return after_whole_word(rest, "IFS").is_some() && at > 0,
        // Prose and code quote names in these, which a command without more could be.
        (b'`', _) => return is_command(rest, false),
        // What begins a line is a command only where nothing stands before it: a text has more lines.
        (b'\n', _) => return text.len() < 256 && is_command(rest, false),
        _ => {}
    }
    let doubled = rest.first() == Some(&text[at]);
    is_command(&rest[usize::from(doubled)..], doubled)
}

/// - `alone`: it is one without anything behind it in the middle of a text.
fn is_command(text: &[u8], alone: bool) -> bool {
    let text = text.trim_ascii_start();
    let text = ["/usr/bin/", "/bin/", "/usr/local/bin/"]
        .iter()
        .find_map(|dir| text.strip_prefix(dir.as_bytes()))
        .unwrap_or(text);
    COMMANDS.iter().any(|command| {
        let Some(rest) = after_whole_word(text, command) else {
            return false;
        };
        let words = rest.trim_ascii_start();
        let has_space = words.len() < rest.len();
        match words.first() {
            None => true,
            Some(b';' | b'&') => true,
            Some(b')' | b'`') => alone,
            // A column of a table in Markdown ends with the next bar.
            Some(b'|') => {
                alone || !words[1..].trim_ascii_start().is_empty() && !words[1..].starts_with(b" ")
            }
            Some(b'-' | b'/' | b'~' | b'$' | b'>' | b'<') => {
                has_space || matches!(words[0], b'>' | b'<' | b'$')
            }
            Some(b'.') => has_space && words.get(1).is_some_and(|b| matches!(b, b'/' | b'.')),
            Some(_) => has_space && TAKE_NAMES.contains(command) && has_address(words),
        }
    })
}

/// The next word has a dot, a colon or a digit.
fn has_address(words: &[u8]) -> bool {
    let word = words.split(|b| b.is_ascii_whitespace()).next();
    let is_telling = |b: &u8| matches!(b, b'.' | b':') || b.is_ascii_digit();
    word.is_some_and(|word| {
        word.len() > 1 && word[..word.len() - 1].iter().any(is_telling)
            || word.iter().all(u8::is_ascii_digit)
    })
}

/// `/dev/tcp/`, and a shell that is to run something.
pub(super) fn is_shell_path(text: &[u8], at: usize) -> bool {
    let rest = &text[at..text.len().min(at + REACH)];
    if rest.starts_with(b"/dev/tcp/") {
        return true;
    }
    let shells = ["/bin/sh", "/bin/bash", "/bin/zsh"].iter();
    let after = shells
        .filter_map(|shell| after_whole_word(rest, shell))
        .next();
    after.is_some_and(|rest| {
        let options = rest.trim_ascii_start();
        options.starts_with(b"-c") || options.starts_with(b"-i")
    })
}
