//! What npm, yarn, pnpm and bun write.

mod bun;
mod package_lock;
mod pnpm;
mod yarn_berry;
mod yarn_v1;

pub(crate) use bun::bun;
pub(crate) use package_lock::{package_lock, resolve};
pub(crate) use pnpm::pnpm;

use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Inventory, limits};

/// Reads `yarn.lock` of any yarn: since the second it is YAML with `__metadata`.
pub(crate) fn yarn(source: Source<'_>) -> Result<Inventory, ReadError> {
    let is_berry = source
        .lines()
        .any(|(_, line)| line.starts_with("__metadata:"));
    if is_berry {
        yarn_berry::yarn_berry(source)
    } else {
        yarn_v1::yarn_v1(source)
    }
}

/// How much may be looked up, folder by folder, before a file is taken for hostile: bytes of candidates.
#[derive(Debug)]
pub(crate) struct Walk {
    left: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            left: limits::LOOKUP_BYTES,
        }
    }
}

impl Walk {
    /// Whether there is enough left for one more.
    fn pay(&mut self, bytes: usize) -> bool {
        self.left = self.left.saturating_sub(bytes);
        self.left > 0
    }

    /// An error when not all could be looked up.
    fn check(&self, source: Source<'_>) -> Result<(), ReadError> {
        if self.left > 0 {
            return Ok(());
        }
        let text = "too many dependencies in folders that are too deep";
        Err(ReadError::whole(source.file, text))
    }
}

/// Splits `npm:real@1.2.3`, `@scope/name@^1` and `name@1` at the `@` before the version. The name of a scope begins
/// with another one, which does not count.
fn name_and_range(text: &str) -> Option<(&str, &str)> {
    let at = text.get(1..)?.find('@')? + 1;
    Some((&text[..at], &text[at + 1..]))
}

/// The package that an alias stands for: `npm:real@^1` → `real`, whether a version follows or not.
fn alias_target(range: &str) -> Option<&str> {
    let target = range.strip_prefix("npm:")?;
    match name_and_range(target) {
        Some((name, _)) => Some(name),
        // `npm:^1.0.0` is yarn's way to say "from the registry", `npm:@scope/name` and `npm:name` name a package.
        None if target.starts_with(|c: char| c == '@' || c.is_ascii_alphabetic()) => Some(target),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_aliases() {
        assert_eq!(name_and_range("@a/b@^1"), Some(("@a/b", "^1")));
        assert_eq!(name_and_range("a@npm:b@2"), Some(("a", "npm:b@2")));
        assert_eq!(name_and_range("@a/b"), None);
        assert_eq!(name_and_range(""), None);
        assert_eq!(alias_target("npm:@a/b@^1"), Some("@a/b"));
        assert_eq!(alias_target("npm:b"), Some("b"));
        assert_eq!(alias_target("npm:^1.0.0"), None);
        assert_eq!(alias_target("^1.0.0"), None);
    }
}
