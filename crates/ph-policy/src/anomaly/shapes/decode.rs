//! What is written in other ways: escapes of JSON and of addresses, in one another, and look-alikes.

/// Nothing in it stands for something else.
pub(in super::super) fn is_plain(raw: &[u8]) -> bool {
    !raw.iter().any(|b| matches!(b, b'\\' | b'%' | 0xe2 | 0xef))
}

/// The text that is meant, and whether its dots and slashes are written in a way that no honest client has.
pub(in super::super) fn decoded(raw: &[u8]) -> (Vec<u8>, bool) {
    let mut text = of_json(raw);
    let mut is_disguised = alike(&mut text);
    // An address in an address has two rounds; whoever has more hides something.
    for round in 0..3 {
        let Some((next, dots)) = of_percent(&text) else {
            break;
        };
        is_disguised |= round == 2 || (round == 1 && dots);
        text = next;
        is_disguised |= alike(&mut text);
    }
    (text, is_disguised)
}

fn of_json(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let Some(&escape) = raw.get(at) else { break };
        at += 1;
        match escape {
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => {
                let unit = raw.get(at..at + 4).and_then(hex);
                at += 4;
                // Half of a pair is nothing that is looked for.
                let letter = unit.and_then(char::from_u32).unwrap_or('\u{fffd}');
                text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => text.push(other),
        }
    }
    text
}

/// `None` when there is nothing to decode; else whether a dot or a slash was among it.
fn of_percent(text: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut out = Vec::with_capacity(text.len());
    let (mut has_any, mut dots) = (false, false);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at + 1..];
        let wide = matches!(rest.first(), Some(b'u' | b'U'));
        let digits = if wide { rest.get(1..5) } else { rest.get(..2) };
        match digits.and_then(hex).filter(|_| byte == b'%') {
            Some(value) => {
                has_any = true;
                dots |= matches!(value, 0x2e | 0x2f | 0x5c);
                match u8::try_from(value) {
                    Ok(byte) => out.push(byte),
                    Err(_) => {
                        let letter = char::from_u32(value).unwrap_or('\u{fffd}');
                        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                at += if wide { 6 } else { 3 };
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    has_any.then_some((out, dots))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digit = |value: u32, byte: &u8| Some(value * 16 + char::from(*byte).to_digit(16)?);
    digits.iter().try_fold(0, digit)
}

/// Sequences that are read as a dot or a slash by some: too long ones, and letters that look like them.
const ALIKE: [(&[u8], &[u8]); 11] = [
    (b"\xc0\xae", b"."),
    (b"\xe0\x80\xae", b"."),
    (b"\xc0\xaf", b"/"),
    (b"\xe0\x80\xaf", b"/"),
    (b"\xc1\x9c", b"\\"),
    ("\u{ff0e}".as_bytes(), b"."),
    ("\u{2024}".as_bytes(), b"."),
    ("\u{2025}".as_bytes(), b".."),
    ("\u{ff0f}".as_bytes(), b"/"),
    ("\u{2215}".as_bytes(), b"/"),
    ("\u{ff3c}".as_bytes(), b"\\"),
];

/// Replaces them; `true`: two of them stand together, which no text has.
fn alike(text: &mut Vec<u8>) -> bool {
    if !text
        .iter()
        .any(|b| matches!(b, 0xc0 | 0xc1 | 0xe0 | 0xe2 | 0xef))
    {
        return false;
    }
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut last_end, mut together) = (0, usize::MAX, false);
    while at < text.len() {
        let found = ALIKE.iter().find(|(from, _)| text[at..].starts_with(from));
        match found {
            Some((from, to)) => {
                together |= last_end == at;
                out.extend_from_slice(to);
                at += from.len();
                last_end = at;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    *text = out;
    together
}
