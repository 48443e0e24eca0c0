//! KEV and EPSS, from files or addresses.

use super::{ListPlace, Run, UpdateError, Updated};
use crate::http::{Got, Remote, remove_download};
use crate::lists::ScoresError;
use crate::manifest::{DOWNLOADS, ListState, ScoresState, ms_of};
use crate::scores::Writer;
use std::fs::File;
use std::path::PathBuf;

impl Run<'_> {
    /// Reads the lists that are asked for. One that fails is here as before.
    pub(super) async fn lists(&mut self, updated: &mut Updated) {
        let kev = self.file_of("kev.json", self.options.kev.as_ref()).await;
        let epss = self.file_of("epss.csv", self.options.epss.as_ref()).await;
        let (kev, epss) = (kev.transpose(), epss.transpose());
        match self.join(
            kev.as_ref().and_then(|f| f.as_ref().ok()),
            epss.as_ref().and_then(|f| f.as_ref().ok()),
        ) {
            Ok((kev_read, epss_read)) => {
                updated.kev = kev.map(|file| {
                    file.and_then(|_| {
                        kev_read
                            .unwrap_or(Err(ScoresError::Empty))
                            .map_err(Into::into)
                    })
                });
                updated.epss = epss.map(|file| {
                    file.and_then(|_| {
                        epss_read
                            .unwrap_or(Err(ScoresError::Empty))
                            .map_err(Into::into)
                    })
                });
            }
            Err(error) => updated.kev = Some(Err(error)),
        }
        remove_download(&self.download("kev.json"));
        remove_download(&self.download("epss.csv"));
    }

    fn download(&self, name: &str) -> PathBuf {
        self.folder.path().join(DOWNLOADS).join(name)
    }

    /// A file with a list, fetched if need be.
    async fn file_of(
        &self,
        name: &str,
        place: Option<&ListPlace>,
    ) -> Result<Option<(PathBuf, String)>, UpdateError> {
        let url = match place {
            None => return Ok(None),
            Some(ListPlace::File(path)) => {
                return Ok(Some((path.clone(), path.display().to_string())));
            }
            Some(ListPlace::Url(url)) => url,
        };
        let remote = Remote::new(url, self.options.ca_file.as_deref(), self.options.bounds)?;
        let file = self.download(name);
        match remote.download("", &file, None).await? {
            Got::New(..) | Got::Unchanged => Ok(Some((file, url.clone()))),
        }
    }

    /// Writes both lists into one file: the new ones, and the old ones in place of those that there are none of.
    fn join(
        &mut self,
        kev: Option<&(PathBuf, String)>,
        epss: Option<&(PathBuf, String)>,
    ) -> Result<Both, UpdateError> {
        let file = self.folder.new_file("scores", self.now);
        let writer = Writer::create(&self.folder.path().join(&file))?;
        let kev_read = kev.map(|(path, _)| writer.kev(File::open(path)?));
        let epss_read = epss.map(|(path, _)| writer.epss(File::open(path)?));
        let old = self.manifest.scores.take().unwrap_or_default();
        let mut state = ScoresState {
            file,
            ..ScoresState::default()
        };
        let lists = [
            ("kev", &kev_read, kev, old.kev, &mut state.kev),
            ("epss", &epss_read, epss, old.epss, &mut state.epss),
        ];
        for (table, read, place, old_list, list) in lists {
            *list = match (read, place) {
                (Some(Ok(entries)), Some((_, source))) => Some(ListState {
                    entries: *entries,
                    source: source.clone(),
                    as_of_ms: ms_of(self.now),
                }),
                _ => {
                    writer.empty(table)?;
                    if old_list.is_some() {
                        writer.keep(table, &self.folder.path().join(&old.file))?;
                    }
                    old_list
                }
            };
        }
        writer.finish()?;
        self.manifest.scores = Some(state);
        self.folder.commit(&self.manifest)?;
        Ok((kev_read, epss_read))
    }
}

type ReadList = Option<Result<u64, ScoresError>>;
type Both = (ReadList, ReadList);
