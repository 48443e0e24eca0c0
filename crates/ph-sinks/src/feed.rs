//! What a sink reads from.

/// One stored entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the store: rises by one, never given again.
    pub seq: u64,
    /// When it happened, Unix time in nanoseconds.
    pub time_unix_ns: u64,
    /// `call`, `stderr`, `event`, `file`, `span` or `log`.
    pub kind: &'static str,
    /// One JSON object without a line end.
    pub json: Vec<u8>,
}

/// Consecutive entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Where to read on.
    pub next: u64,
    /// Entries between the place that was asked for and `next` that are no longer there.
    pub lost: u64,
}

/// The store cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be read: {0}")]
pub struct FeedError(pub String);

/// The store, as sinks see it. Nothing here waits for long or holds up who writes.
pub trait Feed: Send + Sync + 'static {
    /// Entries from `from` on, at most so many and about so many bytes, at least one if there is one.
    ///
    /// # Errors
    /// [`FeedError`]; the same place can be asked for again.
    fn read(&self, from: u64, entries_max: usize, bytes_max: usize) -> Result<Page, FeedError>;

    /// The place after the newest entry.
    fn head(&self) -> u64;

    /// About so many bytes of JSON lie from `seq` on.
    fn bytes_from(&self, seq: u64) -> u64;

    /// The place from which about `bytes` bytes lie before the head.
    fn seq_within(&self, bytes: u64) -> u64;

    /// Asks that entries from `from` on be kept for `name` beyond their age; `None` takes it back.
    fn hold(&self, name: &str, from: Option<u64>);

    /// Tells this store from every other one: part of the ids of what is sent.
    fn store_id(&self) -> String;
}
