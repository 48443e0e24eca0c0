//! A line of a followed log file, as one of ours.

use super::json::{Object, key};
use super::{Level, Stamp, trace};
use ph_base::trace::TraceId;
use ph_store::logs::{Entry, Kind};

/// A line that a tool wrote.
pub(crate) struct FileLine<'a> {
    /// When it was read.
    pub(crate) at_unix_ns: u64,
    /// The line without its end and without secrets.
    pub(crate) text: &'a str,
    /// The server of the tool.
    pub(crate) server: &'a str,
    /// The file.
    pub(crate) path: &'a str,
    /// The trace that it names.
    pub(crate) trace_id: Option<TraceId>,
}

/// Writes such lines.
#[derive(Debug, Default)]
pub(crate) struct FileLines {
    stamp: Stamp,
}

impl FileLines {
    /// Writes the line's JSON to `out`, which is empty, and gives it with its columns.
    pub(crate) fn entry<'a>(&mut self, out: &'a mut Vec<u8>, line: &FileLine<'a>) -> Entry<'a> {
        let level = Level::Info;
        let mut o = Object::begin(out);
        o.plain(key!("timestamp"), self.stamp.at(line.at_unix_ns));
        o.text(key!("level"), level.as_label());
        o.text(key!("kind"), Kind::File.as_label());
        o.text(key!("message"), line.text);
        if let Some(trace_id) = line.trace_id {
            trace(&mut o, trace_id, None);
        }
        o.text(key!("server"), line.server);
        o.text(key!("file"), line.path);
        o.end();
        Entry {
            kind: Kind::File,
            level: crate::store::stored(level),
            time_unix_ns: line.at_unix_ns,
            duration_ns: None,
            status: 0,
            trace_id: line.trace_id,
            server: line.server,
            method: "",
            tool: "",
            outcome: "",
            json: out.strip_suffix(b"\n").unwrap_or(out),
        }
    }
}
