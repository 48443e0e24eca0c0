//! The tee on an event stream: what passes is read on the side, whatever it is.

use ph_mcp::{AnswerScan, ServerMessage};
use ph_wire::sse::{SseItem, SseParser};

/// Largest event that is read; larger ones pass unread.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// One message heard on a stream, and its length in bytes.
pub(crate) struct Heard {
    pub message: ServerMessage,
    pub bytes: u64,
}

/// Reads messages off an event stream.
pub(crate) struct Tee {
    parser: SseParser,
    /// An event had an id: the stream can be resumed elsewhere.
    pub saw_id: bool,
}

impl Tee {
    pub(crate) fn new() -> Self {
        Self {
            parser: SseParser::new(EVENT_BYTES_MAX),
            saw_id: false,
        }
    }

    /// The messages that are complete with `chunk`.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        let saw_id = &mut self.saw_id;
        self.parser.push(chunk, &mut |item| {
            let SseItem::Event(event) = item else { return };
            *saw_id |= event.id.is_some();
            let bytes = event.data.len() as u64;
            heard.extend(
                AnswerScan::read(event.data)
                    .into_iter()
                    .map(|message| Heard { message, bytes }),
            );
        });
        heard
    }

    /// The stream stands within an event: nothing of ours may be put in now.
    pub(crate) fn is_inside_event(&self) -> bool {
        self.parser.is_inside_event()
    }
}
