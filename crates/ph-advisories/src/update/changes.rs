//! What has changed since the last update, record by record.

use super::{Change, Run, UpdateError, in_path};
use crate::http::{FetchError, Got, Remote};
use crate::import::Unreadable;
use crate::index::{Origin, RECORD_BYTES_MAX, Reader, Writer};
use crate::manifest::{EcosystemState, ms_of};
use crate::record::{Head, is_id, time};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

/// More changed records than that are fetched as the whole dump, in one piece.
const RECORDS_MAX: usize = 1_000;
/// Records that are fetched at the same time: each has a connection.
const AT_ONCE: usize = 8;
/// The list may be made more often than the dump, so it is read further back than to the last change.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);
/// Longest line of the list, in bytes.
const LINE_BYTES_MAX: usize = 512;
/// Memory for pages, in KiB.
const CACHE_KIB: u32 = 32 << 10;

/// The beginning of the list of changes.
#[derive(Default)]
struct Changes {
    /// The newest time, as it stands there.
    newest: Option<String>,
    /// The ids that were changed since, with when.
    changed: Vec<(String, Timestamp)>,
    /// The rest of a line.
    rest: Vec<u8>,
    is_over: bool,
    is_bad: bool,
}

impl Changes {
    /// Takes a piece; `false` when enough is known.
    fn take(&mut self, piece: &[u8], since: Option<Timestamp>) -> bool {
        self.rest.extend_from_slice(piece);
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.line(&line, since);
            if self.is_over || self.is_bad {
                return false;
            }
        }
        self.is_bad = self.rest.len() > LINE_BYTES_MAX;
        !self.is_bad
    }

    fn line(&mut self, line: &[u8], since: Option<Timestamp>) {
        let text = str::from_utf8(line).unwrap_or_default().trim();
        if text.is_empty() {
            return;
        }
        let read = text.split_once(',').and_then(|(at, id)| {
            // The list of all ecosystems has folders before the ids.
            let id = id.rsplit('/').next().unwrap_or_default().trim();
            is_id(id).then_some((time(at)?, at.trim(), id))
        });
        let Some((at, written, id)) = read else {
            self.is_bad = true;
            return;
        };
        if self.newest.is_none() {
            self.newest = Some(written.to_owned());
        }
        match since {
            Some(since) if at >= since => self.changed.push((id.to_owned(), at)),
            _ => self.is_over = true,
        }
        self.is_over |= self.changed.len() > RECORDS_LISTED_MAX;
    }
}

/// Lines of the list that are looked at: most of them are known.
const RECORDS_LISTED_MAX: usize = 100_000;

impl Run<'_> {
    /// The newest time of the list of changes and its entity tag; none where there is no list.
    pub(super) async fn newest_change(&self, ecosystem: &str) -> (Option<String>, Option<String>) {
        let mut list = Changes::default();
        let path = format!("/{}/modified_id.csv", in_path(ecosystem));
        let mut take = |piece: &[u8]| list.take(piece, None);
        match self.remote.each_piece(&path, None, &mut take).await {
            Ok(Got::New(_, tag)) if !list.is_bad => (list.newest, tag),
            // Without it the next update fetches the dump, if that is another one then.
            _ => (None, None),
        }
    }

    /// Takes what has changed, unless the whole dump is the better way (`None`).
    pub(super) async fn changes(
        &mut self,
        ecosystem: &str,
        old: &EcosystemState,
    ) -> Result<Option<Change>, UpdateError> {
        let until = old.fetched.changes_until.as_deref().and_then(time);
        let Some(since) = until.and_then(|until| until.checked_sub(MARGIN).ok()) else {
            return Ok(None);
        };
        let mut list = Changes::default();
        let path = format!("/{}/modified_id.csv", in_path(ecosystem));
        let mut take = |piece: &[u8]| list.take(piece, Some(since));
        let known = old.fetched.changes_tag.as_deref();
        let tag = match self.remote.each_piece(&path, known, &mut take).await {
            Ok(Got::Unchanged) => {
                self.still(ecosystem, old, None)?;
                return Ok(Some(Change::None));
            }
            Ok(Got::New(_, tag)) => tag,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if list.is_bad || list.newest.is_none() || list.changed.len() > RECORDS_LISTED_MAX {
            return Ok(None);
        }
        let index = self.folder.path().join(&old.file);
        let wanted = new_ones(&Reader::open(&index)?, list.changed)?;
        let state = (list.newest, tag);
        if wanted.is_empty() {
            self.still(ecosystem, old, Some(state))?;
            return Ok(Some(Change::None));
        }
        if wanted.len() > RECORDS_MAX {
            return Ok(None);
        }
        self.fetch(ecosystem, old, &index, wanted, state).await
    }

    /// Nothing is newer: what is here is of now.
    fn still(
        &mut self,
        ecosystem: &str,
        old: &EcosystemState,
        list: Option<(Option<String>, Option<String>)>,
    ) -> Result<(), UpdateError> {
        let mut state = old.clone();
        state.as_of_ms = ms_of(self.now);
        if let Some((newest, tag)) = list {
            state.fetched.changes_until = newest;
            state.fetched.changes_tag = tag;
        }
        self.commit(ecosystem, state)
    }

    async fn fetch(
        &mut self,
        ecosystem: &str,
        old: &EcosystemState,
        index: &Path,
        wanted: VecDeque<String>,
        list: (Option<String>, Option<String>),
    ) -> Result<Option<Change>, UpdateError> {
        let file = self.folder.new_file(ecosystem, self.now);
        let mut writer = Writer::copy(index, &self.folder.path().join(&file), CACHE_KIB)?;
        let mut unreadable = Unreadable::default();
        let mut count = 0;
        let mut take = |id: &str, path: &str, body: &[u8]| {
            match Head::checked(body) {
                Ok(head) if head.id == id => {
                    writer.put(ecosystem, &head, body, Origin::Mirror)?;
                    count += 1;
                }
                Ok(head) => {
                    let (path, id) = (path.to_owned(), head.id);
                    return Err(UpdateError::OtherRecord { path, id });
                }
                Err(error) => unreadable.add(path, &error),
            }
            Ok(())
        };
        match each_record(&self.remote, ecosystem, wanted, &mut take).await {
            Ok(()) => {}
            // The list and the records disagree: the dump is one piece.
            Err(UpdateError::Fetch(error)) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        }
        let contents = writer.finish()?;
        let mut state = EcosystemState {
            file,
            records: contents.records,
            packages: contents.packages,
            unreadable: old.unreadable + unreadable.count,
            newest: contents.newest.map(|time| time.to_string()),
            as_of_ms: ms_of(self.now),
            ..old.clone()
        };
        (state.fetched.changes_until, state.fetched.changes_tag) = list;
        self.commit(ecosystem, state)?;
        Ok(Some(Change::Records { count, unreadable }))
    }
}

/// Those that are not here, or older here.
fn new_ones(
    index: &Reader,
    changed: Vec<(String, Timestamp)>,
) -> Result<VecDeque<String>, UpdateError> {
    let mut wanted = VecDeque::new();
    for (id, at) in changed {
        let known = index.modified(&id)?;
        if known.is_none_or(|known| known.as_microsecond() < at.as_microsecond())
            && !wanted.contains(&id)
        {
            wanted.push_back(id);
        }
        if wanted.len() > RECORDS_MAX {
            break;
        }
    }
    Ok(wanted)
}

/// Takes an id, the path that was asked for, and what is there.
type Take<'a> = dyn FnMut(&str, &str, &[u8]) -> Result<(), UpdateError> + 'a;

/// An id, the path that was asked for, and what came.
type Fetched = (String, String, Result<Got<Vec<u8>>, FetchError>);

async fn each_record(
    remote: &Arc<Remote>,
    ecosystem: &str,
    mut wanted: VecDeque<String>,
    take: &mut Take<'_>,
) -> Result<(), UpdateError> {
    let mut running: JoinSet<Fetched> = JoinSet::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(id) = wanted.pop_front()
        {
            let (remote, path) = (
                Arc::clone(remote),
                format!("/{}/{id}.json", in_path(ecosystem)),
            );
            running.spawn(async move {
                let got = Box::pin(remote.short(&path, None, RECORD_BYTES_MAX as u64)).await;
                (id, path, got)
            });
        }
        match running.join_next().await {
            None => return Ok(()),
            Some(Ok((id, path, got))) => {
                if let Got::New(body, _) = got? {
                    take(&id, &path, &body)?;
                }
            }
            // A task that panicked has said so.
            Some(Err(_)) => return Err(FetchError::Range(ecosystem.to_owned()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, since: &str, piece: usize) -> Changes {
        let mut list = Changes::default();
        let since = time(since);
        for piece in text.as_bytes().chunks(piece) {
            if !list.take(piece, since) {
                break;
            }
        }
        list
    }

    #[test]
    fn the_list_is_read_until_it_is_old() {
        let text = "2026-11-22T10:00:00.5Z,GHSA-3\n2026-11-22T09:00:00Z,npm/GHSA-2\r\n2026-11-21T00:00:00Z,GHSA-1\nbad\n";
        for piece in [1, 7, 1_000] {
            let list = read(text, "2026-11-22T00:00:00Z", piece);
            let ids: Vec<_> = list.changed.iter().map(|(id, _)| id.as_str()).collect();
            assert_eq!(ids, ["GHSA-3", "GHSA-2"]);
            assert_eq!(list.newest.as_deref(), Some("2026-11-22T10:00:00.5Z"));
            assert!(list.is_over && !list.is_bad);
        }
        assert!(read(text, "2026-11-20T00:00:00Z", 9).is_bad);
        assert!(read(&"x".repeat(1_000), "2026-11-20T00:00:00Z", 100).is_bad);
        assert!(
            read("2026-11-22T10:00:00Z,../x\n", "2026-11-20T00:00:00Z", 100)
                .changed
                .iter()
                .all(|(id, _)| id == "x")
        );
    }
}
