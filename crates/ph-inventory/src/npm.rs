//! What npm, yarn, pnpm and bun write.

mod bun;
mod package_lock;
mod pnpm;
mod yarn_berry;
mod yarn_v1;

pub(crate) use bun::{bun, bun_binary};
pub(crate) use package_lock::{package_lock, resolve};
pub(crate) use pnpm::pnpm;

use crate::Inventory;
use crate::read_error::ReadError;
use crate::source::Source;

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
