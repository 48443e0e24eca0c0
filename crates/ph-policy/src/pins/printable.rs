//! Foreign text as it can be shown to a person: nothing in it moves a cursor, hides, or turns the line around.

use std::fmt::Write as _;

/// The text on one line: what cannot be seen, or changes how the rest is seen, is shown as `\u{…}`. Cut after
/// `chars_max` characters, with the count of the rest.
#[must_use]
pub fn printable(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = text.chars();
    for c in chars.by_ref().take(chars_max) {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String does not fail.
            c if hidden(c).is_some() || c.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    let rest = chars.count();
    if rest > 0 {
        let _ = write!(out, "… ({rest} more)");
    }
    out
}

/// Why nobody sees a character, or what it does to those that are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hidden {
    /// Tags: letters of ASCII that no font shows, and models read.
    Tag,
    /// Takes no room.
    ZeroWidth,
    /// Changes the direction of what follows.
    Direction,
    /// Chooses a form of what precedes; there are enough of them to spell bytes.
    Variation,
    /// Moves cursors and changes colours of terminals.
    Control,
    /// A blank that is no space.
    Blank,
    /// Stands for nothing that anybody else knows.
    Private,
}

impl Hidden {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Tag => "tag characters",
            Self::ZeroWidth => "characters of no width",
            Self::Direction => "changes of direction",
            Self::Variation => "variation selectors",
            Self::Control => "control characters",
            Self::Blank => "blanks that are no spaces",
            Self::Private => "private characters",
        }
    }
}

/// What is hidden about a character. Line breaks and tabs are not, and neither is U+FE0F, which makes an emoji.
pub(super) fn hidden(c: char) -> Option<Hidden> {
    let found = match u32::from(c) {
        0x09 | 0x0A | 0x0D | 0xFE0F => return None,
        0x00..=0x1F | 0x7F..=0x9F => Hidden::Control,
        0xE_0000..=0xE_007F => Hidden::Tag,
        0x061C | 0x200E | 0x200F | 0x202A..=0x202E | 0x2066..=0x2069 => Hidden::Direction,
        0xFE00..=0xFE0E | 0x180B..=0x180D | 0x180F | 0xE_0100..=0xE_01EF => Hidden::Variation,
        0x00AD
        | 0x034F
        | 0x180E
        | 0x200B..=0x200D
        | 0x2060..=0x2065
        | 0x206A..=0x206F
        | 0xFEFF
        | 0xFFF9..=0xFFFB
        | 0x1_BCA0..=0x1_BCA3
        | 0x1_D173..=0x1_D17A => Hidden::ZeroWidth,
        0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x2028 | 0x2029 | 0x2800 | 0x3164 | 0xFFA0 => {
            Hidden::Blank
        }
        0xE000..=0xF8FF | 0xF_0000..=0xF_FFFD | 0x10_0000..=0x10_FFFD => Hidden::Private,
        _ => return None,
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides() {
        let text = "a\u{200b}b\u{202e}c\u{e0041}\u{1b}[31m\nd é 日本 👍\u{fe0f}";
        let want = "a\\u{200b}b\\u{202e}c\\u{e0041}\\u{1b}[31m\\nd é 日本 👍\u{fe0f}";
        assert_eq!(printable(text, 100), want);
        assert_eq!(printable("abcdef", 4), "abcd… (2 more)");
        assert_eq!(printable("", 0), "");
    }

    #[test]
    fn what_people_write_is_not_hidden() {
        let languages = "English, Ελληνικά, русский, 日本語, العربية, עברית, हिन्दी, ไทย, 한국어, naïve — “quoted” ✅ ❤️";
        assert!(languages.chars().all(|c| hidden(c).is_none()));
    }
}
