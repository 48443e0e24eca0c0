//! Fetching what is newer, on a thread of its own: most of the time goes into files.

use super::{Note, Seen, Wish};
use ph_advisories::{FolderError, MirrorState, UpdateError, update};
use ph_record::EventKind;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two looks at how old they are: another process may fetch or import, too.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Time until the next try after one that failed, unless updates are more often than that.
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Looks and fetches until `end` is cancelled.
pub(super) fn spawn(
    wishes: watch::Receiver<Arc<Wish>>,
    seen: Arc<Seen>,
    end: CancellationToken,
    note: Arc<Note>,
) {
    let complain = Arc::clone(&note);
    let run = move || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                () = turns(wishes, &seen, &*note) => {}
                () = end.cancelled() => {}
            }
        }),
        Err(error) => warn(&*note, format!("advisories are not looked at: {error}")),
    };
    let started = std::thread::Builder::new()
        .name("advisories".to_owned())
        .spawn(run);
    if let Err(error) = started {
        warn(&*complain, format!("advisories are not looked at: {error}"));
    }
}

async fn turns(mut wishes: watch::Receiver<Arc<Wish>>, seen: &Seen, note: &Note) {
    let mut not_before = UNIX_EPOCH;
    loop {
        let wish = Arc::clone(&wishes.borrow_and_update());
        let now = SystemTime::now();
        if let Some(every) = wish.update_every
            && now >= not_before
            && is_due(&wish, every, now)
            && !run(&wish, now, seen, note).await
        {
            not_before = now + every.min(AGAIN_AFTER);
        }
        seen.look(&wish);
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            changed = wishes.changed() => match changed {
                Ok(()) => not_before = UNIX_EPOCH,
                Err(_) => return,
            },
        }
    }
}

/// Whether something that is wanted is not here, or older than the time between two updates.
fn is_due(wish: &Wish, every: Duration, now: SystemTime) -> bool {
    let Ok(state) = MirrorState::read(&wish.folder) else {
        return true;
    };
    wish.update.ecosystems.iter().any(|name| {
        let here = state
            .ecosystems
            .iter()
            .find(|here| here.ecosystem == *name && here.is_fetched);
        here.is_none_or(|here| here.age(now) >= every)
    })
}

/// One update; whether all of it went well.
async fn run(wish: &Wish, now: SystemTime, seen: &Seen, note: &Note) -> bool {
    let failures: Vec<String> =
        match Box::pin(update(&wish.folder, &wish.update, now, &mut |_| {})).await {
            Ok(updated) => updated
                .failures()
                .map(|(name, error)| format!("{name}: {}", chain(error)))
                .collect(),
            // Somebody does by hand what was to be done.
            Err(UpdateError::Folder(FolderError::Taken(_))) => return true,
            Err(error) => vec![chain(&error)],
        };
    if failures.is_empty() {
        seen.updated.fetch_add(1, Relaxed);
        return true;
    }
    seen.failed.fetch_add(1, Relaxed);
    let text = failures.join("; ");
    warn(
        note,
        format!("advisories could not be updated, and are as old as before: {text}"),
    );
    false
}

fn warn(note: &Note, text: String) {
    note(EventKind::Note {
        warning: true,
        text: text.into(),
    });
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
