//! The MCP server of [`mcp_server`](crate::mcp_server) over stdin and stdout.
//!
//! All messages that one read brings are answered by one write, so that the
//! pipe costs the gateway what the gateway makes of it.

use crate::mcp_server::{self, Eras, Message};
use memchr::memchr;
use std::io::{self, Read, Write};

/// Longest line accepted, bytes.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes asked for by one read; the capacity of a pipe.
const READ_BYTES: usize = 64 * 1024;

/// Answers lines until the input ends.
///
/// # Errors
/// When the input or the output fails, or a line is longer than 64 MiB.
pub fn serve(mut input: impl Read, mut output: impl Write, eras: Eras) -> io::Result<()> {
    let mut received = Vec::with_capacity(2 * READ_BYTES);
    let mut chunk = vec![0; READ_BYTES];
    let mut out = Vec::with_capacity(2 * READ_BYTES);
    loop {
        let bytes = input.read(&mut chunk)?;
        if bytes == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..bytes]);
        let mut used = 0;
        while let Some(length) = memchr(b'\n', &received[used..]) {
            answer_line(&received[used..used + length], eras, &mut out);
            used += length + 1;
        }
        received.drain(..used);
        if received.len() > LINE_BYTES_MAX {
            return Err(io::Error::other("a line is longer than 64 MiB"));
        }
        output.write_all(&out)?;
        output.flush()?;
        out.clear();
    }
}

fn answer_line(line: &[u8], eras: Eras, out: &mut Vec<u8>) {
    if line.trim_ascii().is_empty() {
        return;
    }
    let before = out.len();
    match Message::parse(line) {
        Some(message) => {
            message.answer(eras, out);
        }
        None => mcp_server::error(b"null", -32700, "not a message", out),
    }
    if out.len() > before {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_line_has_one_answer_line() {
        let input = concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            "\n\n",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            "\n",
            "nonsense\n",
            r#"{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}"#,
            "\n",
            "{\"cut",
        );
        let mut output = Vec::new();
        serve(input.as_bytes(), &mut output, Eras::Both).expect("memory does not fail");
        let lines: Vec<_> = std::str::from_utf8(&output)
            .expect("text")
            .lines()
            .collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        assert!(lines[1].contains("-32700"));
        assert!(lines[2].contains(r#""text":"hi""#));
    }
}
