//! The commands as words, for whoever runs them without a shell.

/// The words of one of [`Advice::commands`](super::Advice::commands): spaces part them, single quotes hold them together.
/// They are made of names that mean nothing else to a shell, so there is nothing more to read.
#[must_use]
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for c in command.chars() {
        match c {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_a_word_together() {
        for (command, want) in [
            ("npm update lodash", &["npm", "update", "lodash"][..]),
            (
                "npm pkg set 'overrides[@a/b]=1.0.0'",
                &["npm", "pkg", "set", "overrides[@a/b]=1.0.0"],
            ),
            ("uv add 'a>=1'  ", &["uv", "add", "a>=1"]),
            ("a '' 'b c'd", &["a", "", "b cd"]),
            ("", &[]),
        ] {
            assert_eq!(words(command), want, "{command}");
        }
    }
}
