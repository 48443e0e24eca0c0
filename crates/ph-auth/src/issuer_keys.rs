//! The keys of one authorization server: fetched, kept, and fetched anew from time to time, or when a token
//! names one that is not known.

use crate::fetch::{FetchError, fetch};
use arc_swap::ArcSwapOption;
use ph_base::Chain;
use ph_plan::Issuer;
use ph_policy::{KeySet, KeySetError, MetadataError, jwks_url, metadata_urls};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Least time between two fetches, whatever tokens name.
const APART_MIN: Duration = Duration::from_secs(10);
/// Time until the next try after one that failed; it doubles.
const AGAIN_MIN: Duration = Duration::from_secs(10);
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// Keys that could not be confirmed for so long are not believed any more.
const STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest time that a request waits for keys.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Requests that wait at the same time; further ones are told at once what is known now.
const WAITING_MAX: usize = 256;

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) issuer: String,
    pub(crate) jwks_url: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) refresh: Duration,
}

impl Source {
    pub(crate) fn new(issuer: &str, plan: &Issuer) -> Self {
        Self {
            issuer: issuer.to_owned(),
            jwks_url: plan.jwks_url.as_ref().map(|url| url.as_str().to_owned()),
            ca_file: plan.ca_file.as_ref().map(|file| file.as_path().to_owned()),
            refresh: plan.refresh,
        }
    }
}

/// Keys with the number of their change: what was verified with others is verified again.
pub(crate) struct Kept {
    pub(crate) set: KeySet,
    pub(crate) generation: u64,
    confirmed: Instant,
}

/// The keys of one authorization server.
pub(crate) struct IssuerKeys {
    pub(crate) source: Source,
    kept: ArcSwapOption<Kept>,
    /// Somebody has met a key that is not known.
    wanted: Notify,
    /// Fetches that are over, and when the last one began.
    tried: watch::Sender<Tried>,
    waiting: Semaphore,
    pub(crate) fetched: AtomicU64,
    pub(crate) failed: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Tried {
    count: u64,
    began: Option<Instant>,
    running: bool,
}

/// The keys as long as somebody needs them: no more is fetched when this is dropped.
pub(crate) struct KeysHandle {
    pub(crate) keys: Arc<IssuerKeys>,
    end: CancellationToken,
}

impl Drop for KeysHandle {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("{0}")]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Set(#[from] KeySetError),
    #[error("{0}")]
    Metadata(#[from] MetadataError),
}

impl IssuerKeys {
    /// Begins to fetch, on the runtime that this is called within.
    pub(crate) fn start(
        source: Source,
        complain: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Arc<KeysHandle> {
        let keys = Arc::new(Self {
            source,
            kept: ArcSwapOption::empty(),
            wanted: Notify::new(),
            tried: watch::Sender::default(),
            waiting: Semaphore::new(WAITING_MAX),
            fetched: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let end = CancellationToken::new();
        let (running, ended) = (Arc::clone(&keys), end.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = running.run(&*complain) => {}
                () = ended.cancelled() => {}
            }
        });
        Arc::new(KeysHandle { keys, end })
    }

    async fn run(&self, complain: &(dyn Fn(&str) + Send + Sync)) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            failures = self.turn(began, failures, complain).await;
            let pause = match failures {
                0 => self.source.refresh,
                n => (AGAIN_MIN * (1 << (n - 1).min(8))).min(AGAIN_MAX),
            };
            let wanted = async {
                self.wanted.notified().await;
                tokio::time::sleep_until((began + APART_MIN).into()).await;
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = wanted => {}
            }
        }
    }

    /// The keys, unless there are none or they are too old.
    pub(crate) fn now(&self) -> Option<Arc<Kept>> {
        let kept = self.kept.load_full()?;
        (kept.confirmed.elapsed() < STALE_MAX.max(self.source.refresh * 2)).then_some(kept)
    }

    /// Waits for a fetch, if one is allowed: since the last one there has to be some time.
    pub(crate) async fn look_again(&self) {
        let mut tried = self.tried.subscribe();
        let seen = *tried.borrow_and_update();
        let is_fresh = seen.began.is_some_and(|at| at.elapsed() < APART_MIN);
        if is_fresh && !seen.running {
            return;
        }
        let Ok(_turn) = self.waiting.try_acquire() else {
            return;
        };
        if !seen.running {
            self.wanted.notify_one();
        }
        let over = tried.wait_for(|now| now.count > seen.count);
        let _over = tokio::time::timeout(WAIT_MAX, over).await;
    }

    /// One fetch. Gives how many in a row have failed.
    async fn turn(
        &self,
        began: Instant,
        failures: u32,
        complain: &(dyn Fn(&str) + Send + Sync),
    ) -> u32 {
        self.tried.send_modify(|tried| {
            tried.began = Some(began);
            tried.running = true;
        });
        let failures = match self.fetch_set().await {
            Ok(set) => {
                self.keep(set);
                self.fetched.fetch_add(1, Relaxed);
                if failures > 0 {
                    complain(&format!(
                        "the keys of `{}` are here again",
                        self.source.issuer
                    ));
                }
                0
            }
            Err(error) => {
                self.failed.fetch_add(1, Relaxed);
                if failures == 0 {
                    complain(&format!(
                        "the keys of `{}` cannot be fetched: {}; tokens of it are checked with the keys that are known",
                        self.source.issuer,
                        Chain(&error)
                    ));
                }
                failures.saturating_add(1)
            }
        };
        self.tried.send_modify(|tried| {
            tried.count += 1;
            tried.running = false;
        });
        failures
    }

    fn keep(&self, set: KeySet) {
        let old = self.kept.load_full();
        let generation = match &old {
            Some(old) if old.set == set => old.generation,
            Some(old) => old.generation + 1,
            None => 0,
        };
        self.kept.store(Some(Arc::new(Kept {
            set,
            generation,
            confirmed: Instant::now(),
        })));
    }

    async fn fetch_set(&self) -> Result<KeySet, NoKeys> {
        let ca_file = self.source.ca_file.as_deref();
        let url = match &self.source.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        Ok(KeySet::read(&fetch(&url, ca_file).await?)?)
    }

    /// The first of the places for metadata that has some, and that they are of this issuer.
    async fn discover(&self) -> Result<String, NoKeys> {
        let (issuer, ca_file) = (&self.source.issuer, self.source.ca_file.as_deref());
        let mut last = NoKeys::Metadata(MetadataError::NotMetadata);
        for url in metadata_urls(issuer) {
            match fetch(&url, ca_file).await {
                Ok(text) => match jwks_url(&text, issuer) {
                    // Metadata that came encrypted lead to nothing that does not.
                    Ok(url) if issuer.starts_with("https:") && !url.starts_with("https:") => {
                        return Err(FetchError::Address(url).into());
                    }
                    Ok(url) => return Ok(url),
                    Err(error) => last = error.into(),
                },
                Err(FetchError::Status(status)) if status.is_client_error() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(last)
    }
}
