//! What several targets need.

/// Bytes of an input that say how the others are cut.
const CUTS: usize = 4;

/// Takes the first bytes of an input as lengths and cuts the others by them, again and again.
///
/// A length is the low five bits of its byte, where 0 stands for all that is left; so a seed may begin
/// with letters (`a` cuts one byte, `` ` `` takes the rest).
pub fn cut(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let (cuts, whole) = input.split_at(CUTS.min(input.len()));
    let mut lengths = cuts.iter().map(|cut| usize::from(cut & 0x1f)).cycle();
    let mut chunks = Vec::new();
    let mut rest = whole;
    while !rest.is_empty() {
        let length = match lengths.next() {
            None | Some(0) => rest.len(),
            Some(length) => length.min(rest.len()),
        };
        let (chunk, after) = rest.split_at(length);
        chunks.push(chunk);
        rest = after;
    }
    (whole, chunks)
}
