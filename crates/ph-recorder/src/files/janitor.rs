//! Compresses and removes rotated files, on a thread of its own so that no line waits for it.

use super::directory::{Listed, LogDir};
use super::{COMBINED, ERROR};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How much of the rotated files of one log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) compress: bool,
}

/// The thread; it ends after its current pass when this is dropped.
pub(crate) struct Janitor {
    passes: SyncSender<Retention>,
}

impl Janitor {
    /// Starts the thread for `dir`. `complain` is told what could not be done.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(
        dir: Arc<dyn LogDir>,
        complain: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        // A pass does everything that is to do: one waiting is as good as many.
        let (passes, asked): (_, Receiver<Retention>) = sync_channel(1);
        thread::Builder::new()
            .name("log-janitor".to_owned())
            .spawn(move || {
                while let Ok(retention) = asked.recv() {
                    if let Err(error) = tidy(&*dir, retention) {
                        complain(&format!(
                            "rotated log files could not be tidied up: {error}"
                        ));
                    }
                }
            })?;
        Ok(Self { passes })
    }

    /// Asks for a pass; does not wait.
    pub(crate) fn ask(&self, retention: Retention) {
        // Full: a pass is waiting already and will see the same files.
        let _waiting = self.passes.try_send(retention);
    }
}

/// Compresses what is not, then removes the oldest files beyond the bounds. Goes on after an error
/// and returns the last one.
pub(crate) fn tidy(dir: &dyn LogDir, retention: Retention) -> io::Result<()> {
    let mut result = Ok(());
    let mut keep = |step: io::Result<()>| {
        if step.is_err() {
            result = step;
        }
    };
    let files = match dir.list() {
        // Made with the first line.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        if file.name.ends_with(".zst.tmp") && stamp_of(&file.name).is_some() {
            keep(dir.remove(&file.name));
        } else if retention.compress
            && file.name.ends_with(".log")
            && stamp_of(&file.name).is_some()
        {
            keep(dir.compress(&file.name));
        }
    }
    let files = dir.list()?;
    for stem in [COMBINED, ERROR] {
        for old in beyond(&files, stem, retention) {
            keep(dir.remove(old));
        }
    }
    result
}

/// Rotated files of `stem` that are too many or too much, newest kept first.
fn beyond<'a>(files: &'a [Listed], stem: &str, retention: Retention) -> Vec<&'a str> {
    let mut rotated: Vec<_> = files
        .iter()
        .filter(|f| stamp_of(&f.name).is_some_and(|(of, _)| of == stem))
        .collect();
    rotated.sort_unstable_by_key(|f| std::cmp::Reverse(stamp_of(&f.name).map(|(_, stamp)| stamp)));
    let mut bytes = 0;
    let mut kept = 0;
    let fits = |f: &&&Listed| {
        bytes += f.bytes;
        kept += 1;
        kept <= retention.files && bytes <= retention.bytes
    };
    let keep = rotated.iter().take_while(fits).count();
    rotated[keep..].iter().map(|f| f.name.as_str()).collect()
}

/// Stem and time stamp of a rotated file's name; `None` for any other file, which is not ours to touch.
fn stamp_of(name: &str) -> Option<(&str, &str)> {
    let (stem, rest) = name.split_once('-')?;
    let (stamp, ending) = rest.split_once('.')?;
    let digits = stamp.strip_suffix('Z')?.bytes().enumerate().all(|(i, b)| {
        if i == 8 {
            b == b'T'
        } else {
            b.is_ascii_digit()
        }
    });
    let ours = [COMBINED, ERROR].contains(&stem) && digits && stamp.len() == STAMP_LEN;
    (ours && matches!(ending, "log" | "log.zst" | "log.zst.tmp")).then_some((stem, stamp))
}

const STAMP_LEN: usize = "20261122T174708123Z".len();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::FaultyDir;

    fn listed(names: &[&str]) -> Vec<Listed> {
        names
            .iter()
            .map(|name| Listed {
                name: (*name).to_owned(),
                bytes: 10,
            })
            .collect()
    }

    #[track_caller]
    fn check(files: usize, bytes: u64, want: &[&str]) {
        let all = listed(&[
            "combined.log",
            "combined-20260101T000000000Z.log.zst",
            "combined-20260103T000000000Z.log.zst",
            "combined-20260102T000000000Z.log",
            "error-20250101T000000000Z.log.zst",
            "combined-notes.txt",
            "combined-20260101T0000000000.log",
        ]);
        let retention = Retention {
            files,
            bytes,
            compress: true,
        };
        assert_eq!(
            beyond(&all, COMBINED, retention),
            want,
            "{files} files, {bytes} bytes"
        );
    }

    #[test]
    fn the_newest_are_kept() {
        let [oldest, middle, newest] = [
            "combined-20260101T000000000Z.log.zst",
            "combined-20260102T000000000Z.log",
            "combined-20260103T000000000Z.log.zst",
        ];
        check(3, 30, &[]);
        check(2, 30, &[oldest]);
        check(3, 29, &[oldest]);
        check(3, 10, &[middle, oldest]);
        check(0, 30, &[newest, middle, oldest]);
    }

    #[test]
    fn a_pass_compresses_and_clears_what_an_earlier_one_left() {
        let dir = FaultyDir::new(1, 0);
        let unfinished = "error-20260101T000000000Z.log.zst.tmp";
        for name in [
            "combined-20260101T000000000Z.log",
            unfinished,
            "combined.log",
            "others.log",
        ] {
            dir.open(name).unwrap();
        }
        tidy(
            &dir,
            Retention {
                files: 9,
                bytes: 9,
                compress: true,
            },
        )
        .unwrap();
        assert_eq!(
            dir.names(),
            [
                "combined-20260101T000000000Z.log.zst",
                "combined.log",
                "others.log"
            ]
        );
    }
}
