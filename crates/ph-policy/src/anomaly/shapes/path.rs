//! Paths that climb, that lead out of where they may lead, and to where secrets are.

use super::{Found, Look};
use ph_record::AnomalyKind;

/// Longest path that is judged, in bytes.
const PATH_BYTES_MAX: usize = 4096;

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Whether the path that begins at `from` and has its first `..` at `at` climbs out of where it begins; and where
/// it ends.
pub(super) fn climbs(text: &[u8], from: usize, at: usize) -> (bool, usize) {
    let rest = &text[at..text.len().min(at + PATH_BYTES_MAX)];
    let is_end = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'"' | b'\'' | b',' | b'`' | b'|');
    let end = at + rest.iter().position(is_end).unwrap_or(rest.len());
    let from = from.max(at.saturating_sub(PATH_BYTES_MAX)).min(at);
    let path = &text[from..end];
    let (scheme, inner) = match path.windows(3).position(|three| three == b"://") {
        Some(colon) => (true, &path[colon + 3..]),
        None => (false, path),
    };
    let is_absolute = scheme || inner.first().is_some_and(|b| is_slash(*b));
    let (mut depth, mut ups, mut is_odd) = (0_i32, 0, false);
    for part in inner.split(|b| is_slash(*b)) {
        // `..;` is what some servers read as `..`, and `....` is what is left when `../` is taken out once.
        match part {
            b"" | b"." => {}
            b".." => {
                depth -= 1;
                ups += 1;
            }
            b"..;" | b"...." => is_odd = true,
            _ => depth += 1,
        }
        if depth < 0 {
            break;
        }
    }
    // `..` alone, as in "from 1..5" or "wait..", is no path.
    let is_path = inner.iter().any(|b| is_slash(*b));
    let climbs = is_path && (depth < 0 || is_odd || (is_absolute && ups >= 2));
    (climbs, end)
}

/// Where secrets are, from the root on.
const FILES: [&str; 11] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sudoers",
    "/etc/gshadow",
    "/proc/self/",
    "/proc/1/",
    "/var/run/secrets/",
    "/run/secrets/",
    "/var/run/docker.sock",
    "/dev/mem",
    "\\\\.\\",
];

/// Whether an absolute path leads there.
pub(super) fn is_secret_file(path: &[u8]) -> bool {
    let mut files = FILES.iter();
    files.any(|file| super::after_word(path, file).is_some())
}

/// In everybody's home.
const PLACES: [&str; 8] = [
    ".ssh/id_",
    ".ssh/authorized_keys",
    ".aws/credentials",
    ".kube/config",
    ".docker/config.json",
    ".netrc",
    ".git-credentials",
    ".gnupg/",
];

/// Whether what begins with this dot is one of them, behind a slash.
pub(super) fn is_secret_place(text: &[u8], at: usize) -> bool {
    let is_behind_slash = at == 0 || is_slash(text[at - 1]);
    let mut places = PLACES.iter();
    is_behind_slash && places.any(|place| super::after_word(&text[at..], place).is_some())
}

/// Whether a text is as a whole an absolute path to somewhere that is not configured.
pub(super) fn whole(text: &[u8], look: &Look) -> Option<Found> {
    if look.roots.is_empty() || text.len() > PATH_BYTES_MAX || text.contains(&b'\n') {
        return None;
    }
    let path = match super::after_word(text, "file://") {
        // Its host, if any, is none of ours.
        Some(rest) => rest.iter().position(|b| *b == b'/').map(|at| &rest[at..])?,
        None => text,
    };
    let is_drive = matches!(path, [letter, b':', slash, ..] if letter.is_ascii_alphabetic() && is_slash(*slash));
    if !is_drive && !path.first().is_some_and(|b| is_slash(*b)) {
        return None;
    }
    let resolved = resolved(path);
    let is_inside = |root: &String| {
        let rest = resolved.strip_prefix(root.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    };
    if look.roots.iter().any(is_inside) {
        return None;
    }
    Some(Found::new(AnomalyKind::PathTraversal, text, 0))
}

/// The path without `.`, `..` and doubled slashes.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| is_slash(*b)) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for (nth, part) in parts.iter().enumerate() {
        // A drive stands at the beginning and has no slash before it.
        if nth > 0 || !part.ends_with(b":") {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    out
}
