//! A trace id in a line of text.

use ph_base::trace::TraceId;

/// How far after the word `trace` an id may begin: `trace_id=`, `"traceId": "`, `traceparent: 00-`.
const NEAR: usize = 20;

/// The trace that a line names: 32 hex digits, no more, soon after the word `trace` in whatever case. It is found in
/// JSON, in `key=value` and in prose alike.
pub(crate) fn find(line: &str) -> Option<TraceId> {
    let bytes = line.as_bytes();
    let mut from = 0;
    while let Some(at) = word(&bytes[from..]) {
        let after = from + at + WORD.len();
        if let Some(id) = id_near(bytes, after) {
            return Some(id);
        }
        from = after;
    }
    None
}

const WORD: &[u8; 5] = b"trace";

fn word(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(WORD.len())
        .position(|five| five.eq_ignore_ascii_case(WORD))
}

fn id_near(bytes: &[u8], after: usize) -> Option<TraceId> {
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    (after..after + NEAR).find_map(|start| {
        let begins = !is_hex(start - 1) && is_hex(start);
        let whole = begins && (start..start + 32).all(is_hex) && !is_hex(start + 32);
        if !whole {
            return None;
        }
        let digits = std::str::from_utf8(bytes.get(start..start + 32)?).ok()?;
        let id = u128::from_str_radix(digits, 16)
            .ok()
            .filter(|id| *id != 0)?;
        Some(TraceId(id.to_be_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[track_caller]
    fn check(line: &str, want: bool) {
        let found = find(line).map(|id| id.to_string());
        assert_eq!(found.as_deref(), want.then_some(ID), "{line}");
    }

    #[test]
    fn ids_are_found_where_logs_have_them() {
        check(&format!("{{\"msg\":\"x\",\"trace_id\":\"{ID}\"}}"), true);
        check(&format!("{{\"traceId\" : \"{ID}\"}}"), true);
        check(&format!("{{\"trace.id\":\"{ID}\",\"a\":1}}"), true);
        check(&format!("GET /x trace={ID} done"), true);
        check(&format!("TRACE-ID: {}", ID.to_uppercase()), true);
        check(&format!("traceparent=00-{ID}-00f067aa0ba902b7-01"), true);
        check(&format!("tracing on; trace {ID}"), true);
        check(&format!("trace_id={ID}"), true);
    }

    #[test]
    fn what_is_no_id_is_none() {
        check(ID, false);
        check(&format!("request {ID}"), false);
        check(&format!("trace_id={ID}0"), false);
        check("trace_id=00000000000000000000000000000000", false);
        check(&format!("trace_id={}", &ID[1..]), false);
        check(
            &format!("trace of something else entirely, see {ID}"),
            false,
        );
        check("trace", false);
        check("", false);
        check("trace é", false);
    }
}
