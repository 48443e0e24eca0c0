//! What has changed since the last update, record by record.

use super::{Change, Run, UpdateError, in_path};
use crate::http::{FetchError, Got, Remote};
use crate::import::Unreadable;
use crate::index::{Origin, RECORD_BYTES_MAX, Reader, Writer};
use crate::lists::{CHANGES_MAX, Changes};
use crate::manifest::{EcosystemState, ms_of};
use crate::record::{Head, time};
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
/// Memory for pages, in KiB.
const CACHE_KIB: u32 = 32 << 10;

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
        if list.is_bad || list.newest.is_none() || list.changed.len() > CHANGES_MAX {
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
