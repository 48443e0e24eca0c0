//! A call that has begun and must end in exactly one record.

use crate::call::cap;
use crate::{
    CallRecord, CallTrace, Direction, Ending, Observation, RecordSink, Replica, Server, ToolIdx,
    Transport,
};
use ph_base::{Era, Method};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A call that has begun. [`Draft::finish`] makes its record; dropping it instead
/// is counted as lost, which is always our bug.
#[must_use]
pub struct Draft {
    /// `None` once finished.
    record: Option<Box<CallRecord>>,
    server: Arc<Server>,
    sink: Arc<dyn RecordSink>,
}

impl Draft {
    /// Begins a call.
    ///
    /// `started_unix_ns`: Unix time at which the request's head was read.
    pub fn open(
        server: Arc<Server>,
        sink: Arc<dyn RecordSink>,
        direction: Direction,
        trace: CallTrace,
        started_unix_ns: u64,
    ) -> Self {
        server.live.calls_in_flight.fetch_add(1, Relaxed);
        let ending = Ending::Stopping;
        let record = Box::new(CallRecord {
            server: server.idx,
            replica: Replica::None,
            direction,
            transport: Transport::Http,
            era: Era::Legacy,
            revision: None,
            method: Method::Other,
            method_text: None,
            tool: ToolIdx::NONE,
            target: None,
            client: None,
            principal: None,
            caller: None,
            peer: None,
            session: None,
            request_id: None,
            trace,
            trace_state: None,
            started_unix_ns,
            duration_ns: 0,
            upstream_start_ns: None,
            upstream_end_ns: None,
            overhead_ns: 0,
            waited_on_client_ns: 0,
            is_stream: false,
            ending,
            verdict: ending.verdict(Method::Other, false),
            http_status: 0,
            delivered: false,
            rpc_code: None,
            error: None,
            limited: None,
            shape: None,
            request_bytes: 0,
            response_bytes: 0,
            params: None,
        });
        Self {
            record: Some(record),
            server,
            sink,
        }
    }

    /// The record so far, to fill in.
    pub fn record(&mut self) -> &mut CallRecord {
        self.record
            .as_deref_mut()
            .expect("a draft holds its record until `finish` consumes it")
    }

    /// The server the call is for.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Names the tool, prompt or resource that the call is for.
    pub fn set_target(&mut self, method: Method, target: &str) {
        let find = |name: &str| match method {
            Method::ToolsCall => self.server.tools.find(name),
            _ => (ToolIdx::NONE, None),
        };
        let (mut tool, mut known) = find(target);
        // Before it is cut, since half a secret is not known as one. A listed tool is none.
        let mut shown = Cow::Borrowed(target);
        if known.is_none() {
            shown = self.sink.redact(target);
            if let Cow::Owned(shown) = &shown {
                (tool, known) = find(shown);
            }
        }
        let record = self.record();
        record.tool = tool;
        record.target =
            Some(known.unwrap_or_else(|| cap(&shown, CallRecord::TEXT_BYTES_MAX).into()));
    }

    /// Says what went wrong, for operators.
    pub fn set_error(&mut self, text: &str) {
        let text = self.sink.redact(text);
        self.record().error = Some(cap(&text, CallRecord::ERROR_BYTES_MAX).into());
    }

    /// Ends the call; the one place where a record leaves.
    ///
    /// `duration_ns`: since the start. A tool that the server accepted gets its
    /// label here, before the call is counted.
    pub fn finish(mut self, ending: Ending, duration_ns: u64) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        let accepted =
            matches!(ending, Ending::Answered(a) if !matches!(a, crate::Answer::Error(_)));
        if record.method == Method::ToolsCall
            && record.tool == ToolIdx::OTHER
            && accepted
            && let Some(name) = &record.target
        {
            record.tool = self.server.tools.learn(name);
        }
        record.ending = ending;
        record.verdict = ending.verdict(record.method, record.tool != ToolIdx::OTHER);
        record.duration_ns = duration_ns;
        self.server.live.calls_in_flight.fetch_sub(1, Relaxed);
        self.sink.observe(Observation::Call(record));
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.record.is_some() {
            self.server.live.calls_in_flight.fetch_sub(1, Relaxed);
            self.server.live.drafts_lost.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, ServerTable};
    use ph_base::{ServerName, ids};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<Observation>>);
    impl RecordSink for Kept {
        fn observe(&self, o: Observation) {
            self.0.lock().unwrap().push(o);
        }
    }

    fn draft(sink: &Arc<Kept>) -> (Draft, Arc<Server>) {
        let server = ServerTable::default()
            .intern(&ServerName::parse("s").unwrap())
            .unwrap();
        let trace = CallTrace {
            trace_id: ids::trace_id(),
            server_span: ids::span_id(),
            client_span: ids::span_id(),
            parent: None,
            link: None,
            flags: 1,
        };
        let sink: Arc<dyn RecordSink> = sink.clone();
        let mut d = Draft::open(Arc::clone(&server), sink, Direction::ToServer, trace, 1);
        d.record().method = Method::ToolsCall;
        d.set_target(Method::ToolsCall, "search");
        (d, server)
    }

    #[test]
    fn one_record_per_draft_and_the_tool_is_learned_from_success() {
        let sink = Arc::new(Kept::default());
        let (d, server) = draft(&sink);
        assert_eq!(server.live.calls_in_flight.load(Relaxed), 1);
        d.finish(Ending::Answered(Answer::Complete), 5);
        let seen = sink.0.lock().unwrap();
        let [Observation::Call(r)] = &seen[..] else {
            panic!("one record, got {seen:?}")
        };
        assert_eq!((r.verdict.status, r.duration_ns), (200, 5));
        assert_eq!(&*server.tools.label(r.tool), "search");
        assert_eq!(server.live.calls_in_flight.load(Relaxed), 0);
        assert_eq!(server.live.drafts_lost.load(Relaxed), 0);
    }

    #[test]
    fn a_failed_call_teaches_no_tool_and_is_a_404() {
        let sink = Arc::new(Kept::default());
        let (d, server) = draft(&sink);
        d.finish(Ending::Answered(Answer::Error(-32602)), 5);
        let seen = sink.0.lock().unwrap();
        let [Observation::Call(r)] = &seen[..] else {
            panic!("one record, got {seen:?}")
        };
        assert_eq!((r.verdict.status, r.tool), (404, ToolIdx::OTHER));
        assert_eq!(server.tools.len(), 2);
    }

    #[test]
    fn a_dropped_draft_is_counted_as_lost() {
        let sink = Arc::new(Kept::default());
        let (d, server) = draft(&sink);
        drop(d);
        assert_eq!(server.live.drafts_lost.load(Relaxed), 1);
        assert!(sink.0.lock().unwrap().is_empty());
    }
}
