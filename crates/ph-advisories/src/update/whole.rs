//! The whole dump of an ecosystem.

use super::{Change, Run, UpdateError, in_path};
use crate::archive::{Archive, ArchiveError};
use crate::http::{Got, remove_download};
use crate::import::Unreadable;
use crate::index::{IndexError, Origin, Reader, Writer};
use crate::manifest::{DOWNLOADS, EcosystemState, Fetched, ms_of};
use crate::record::Head;
use std::fs::File;
use std::path::Path;

/// From so many on, a dump with less than half of them is not believed.
const SHRUNK_FROM: u64 = 1_000;
/// Memory for pages, in KiB.
const CACHE_KIB: u32 = 48 << 10;

impl Run<'_> {
    /// - `old`: what was fetched from there before.
    pub(super) async fn whole(
        &mut self,
        ecosystem: &str,
        old: Option<&EcosystemState>,
    ) -> Result<Change, UpdateError> {
        // Before the dump, so that the dump is not older.
        let (changes_until, changes_tag) = self.newest_change(ecosystem).await;
        let path = format!("/{}/all.zip", in_path(ecosystem));
        let name = format!("{}.zip", ecosystem.replace(' ', "_"));
        let download = self.folder.path().join(DOWNLOADS).join(name);
        let known = old.filter(|_| !self.options.is_forced);
        let known = known.and_then(|old| old.fetched.whole_tag.as_deref());
        let tag = match self.remote.download(&path, &download, known).await? {
            Got::New((), tag) => tag,
            Got::Unchanged => {
                remove_download(&download);
                return self.still_whole(ecosystem, old);
            }
        };
        let fetched = Fetched {
            whole_ms: ms_of(self.now),
            whole_tag: tag,
            changes_tag,
            changes_until,
        };
        let built = self.build(ecosystem, &path, &download, old, fetched);
        // What is refused now would be refused again.
        remove_download(&download);
        built
    }

    /// The dump is the one that is here, with what has changed since.
    fn still_whole(
        &mut self,
        ecosystem: &str,
        old: Option<&EcosystemState>,
    ) -> Result<Change, UpdateError> {
        if let Some(old) = old {
            let mut state = old.clone();
            state.as_of_ms = ms_of(self.now);
            state.fetched.whole_ms = ms_of(self.now);
            self.commit(ecosystem, state)?;
        }
        Ok(Change::None)
    }

    fn build(
        &mut self,
        ecosystem: &str,
        path: &str,
        download: &Path,
        old: Option<&EcosystemState>,
        fetched: Fetched,
    ) -> Result<Change, UpdateError> {
        let file = self.folder.new_file(ecosystem, self.now);
        let mut writer = Writer::create(&self.folder.path().join(&file), CACHE_KIB)?;
        let (records, unreadable) = fill(&mut writer, ecosystem, path, download)?;
        if records == 0 {
            return Err(UpdateError::Empty(path.to_owned()));
        }
        let before = old.map_or(0, |old| old.records);
        if before >= SHRUNK_FROM && records < before / 2 && !self.options.is_forced {
            return Err(UpdateError::Shrunk {
                path: path.to_owned(),
                new: records,
                old: before,
            });
        }
        if let Some(here) = self.manifest.ecosystems.get(ecosystem) {
            let index = Reader::open(&self.folder.path().join(&here.file))?;
            writer.take_imported(ecosystem, &index)?;
        }
        let contents = writer.finish()?;
        let state = EcosystemState {
            file,
            records: contents.records,
            packages: contents.packages,
            unreadable: unreadable.count,
            newest: contents.newest.map(|time| time.to_string()),
            source: self.options.mirror.clone(),
            is_fetched: true,
            as_of_ms: ms_of(self.now),
            fetched,
        };
        self.commit(ecosystem, state)?;
        let records = contents.records;
        Ok(Change::Whole {
            records,
            unreadable,
        })
    }
}

/// Puts all records of a dump into an index; says how many.
fn fill(
    writer: &mut Writer,
    ecosystem: &str,
    path: &str,
    download: &Path,
) -> Result<(u64, Unreadable), UpdateError> {
    let refuse = |source| UpdateError::Archive {
        path: path.to_owned(),
        source,
    };
    let io = |error: std::io::Error| refuse(ArchiveError::Io(error));
    let archive = Archive::open(File::open(download).map_err(io)?).map_err(refuse)?;
    let mut unreadable = Unreadable::default();
    let mut records = 0;
    let mut take = |name: &str, content: &[u8]| -> Result<(), Stop> {
        match Head::checked(content) {
            Ok(head) => {
                records += u64::from(writer.put(ecosystem, &head, content, Origin::Mirror)?);
            }
            Err(error) => unreadable.add(&format!("{path}!{name}"), &error),
        }
        Ok(())
    };
    let read = archive.each(&|name| name.ends_with(".json"), &mut take);
    read.map_err(|stop| match stop {
        Stop::Index(error) => UpdateError::Index(error),
        Stop::Archive(error) => refuse(error),
    })?;
    Ok((records, unreadable))
}

#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}
