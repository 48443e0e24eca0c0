//! The doors of both listeners: their bounds and their TLS, and the watch over the files of certificates.

use crate::start_error::StartError;
use ph_base::Chain;
use ph_plan::{Plan, Tls};
use ph_record::{Reading, SampleSource, catalogue};
use ph_wire::listener::{Door, Limits, Trusted, TurnedAway};
use ph_wire::tls::{Identity, IdentityError, IdentityFiles, IdentityText};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two looks at the files of certificates.
const EVERY: Duration = Duration::from_secs(1);
/// Connections of the admin listener at the same time, and of one address.
const ADMIN_CONNECTIONS_MAX: usize = 256;
const ADMIN_CONNECTIONS_PER_PEER_MAX: usize = 128;

/// Told what an operator has to know.
type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// Both doors.
pub(crate) struct Doors {
    pub(crate) data: Arc<Door>,
    pub(crate) admin: Arc<Door>,
    watched: [Mutex<Watched>; 2],
}

/// The names of both, as labels and in messages.
const NAMES: [&str; 2] = ["data", "admin"];

/// What is known of the certificate of one door.
#[derive(Default)]
struct Watched {
    /// `None` without TLS.
    files: Option<IdentityFiles>,
    /// What was read and judged last; it is what is shown, unless it was refused.
    judged: Option<IdentityText>,
    /// What was read last and is not like `judged`: judged as soon as it is read twice, since a certificate and its key
    /// are not written at once.
    next: Option<IdentityText>,
    /// When the certificate that is shown ends, in Unix seconds.
    expires_unix_s: i64,
    /// The last failure to read, so that each is said once.
    unreadable: Option<String>,
    taken: AtomicU64,
    refused: AtomicU64,
}

/// What a plan asks of both doors, checked.
pub(crate) struct Prepared {
    limits: [Limits; 2],
    shown: [Option<(IdentityFiles, IdentityText, Identity)>; 2],
}

impl Prepared {
    /// Reads and checks the certificates that `plan` names.
    ///
    /// # Errors
    /// [`StartError::Certificate`].
    pub(crate) fn of(plan: &Plan) -> Result<Self, StartError> {
        let of = |tls: Option<&Tls>, which: usize| {
            let Some(files) = tls.and_then(files) else {
                return Ok(None);
            };
            let read = || {
                let text = files.read()?;
                let identity = text.identity()?;
                Ok((files.clone(), text, identity))
            };
            read()
                .map(Some)
                .map_err(|source: IdentityError| StartError::Certificate {
                    listener: NAMES[which],
                    source,
                })
        };
        Ok(Self {
            limits: limits(plan),
            shown: [of(plan.tls.as_ref(), 0)?, of(plan.admin.tls.as_ref(), 1)?],
        })
    }
}

/// The files of a block; the reader of plans has seen to it that both are named.
fn files(tls: &Tls) -> Option<IdentityFiles> {
    Some(IdentityFiles {
        cert: tls.cert.as_ref()?.as_path().to_owned(),
        key: tls.key.as_ref()?.as_path().to_owned(),
        client_ca: tls.client_ca.as_ref().map(|ca| ca.as_path().to_owned()),
    })
}

fn limits(plan: &Plan) -> [Limits; 2] {
    let http = &plan.http;
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let proxies = plan.clients.trusted_proxies.clone();
    let is_proxy = move |address| proxies.iter().any(|network| network.contains(address));
    let data = Limits {
        head_bytes_max: http.head_bytes_max.as_usize(),
        headers_max: count(http.headers_max),
        head_timeout: http.head_timeout,
        write_timeout: http.write_timeout,
        streams_max: http.h2_streams_max,
        connections_max: count(http.connections_max),
        per_peer_max: count(http.connections_per_peer_max),
        trusted: Trusted(Arc::new(is_proxy)),
    };
    let admin = Limits {
        connections_max: ADMIN_CONNECTIONS_MAX,
        per_peer_max: ADMIN_CONNECTIONS_PER_PEER_MAX,
        ..data.clone()
    };
    [data, admin]
}

impl Doors {
    /// Makes both, and looks after their certificates until the last other owner has dropped this.
    pub(crate) fn open(prepared: Prepared, complain: &Complain) -> Arc<Self> {
        let [data, admin] = prepared.limits.clone();
        let doors = Arc::new(Self {
            data: Door::new(data),
            admin: Door::new(admin),
            watched: Default::default(),
        });
        doors.apply(prepared, complain);
        tokio::spawn(watch(Arc::downgrade(&doors), Arc::clone(complain)));
        doors
    }

    /// Does what is asked, for the connections that come next.
    pub(crate) fn apply(&self, prepared: Prepared, complain: &Complain) {
        let Prepared { limits, shown } = prepared;
        for (which, (limits, shown)) in limits.into_iter().zip(shown).enumerate() {
            let (door, mut watched) = (self.door(which), self.watched(which));
            door.set_limits(limits);
            watched.next = None;
            watched.unreadable = None;
            match shown {
                None => {
                    watched.files = None;
                    watched.judged = None;
                    door.set_tls(None);
                }
                Some((files, text, identity)) => {
                    watched.files = Some(files);
                    watched.judged = Some(text);
                    watched.expires_unix_s = identity.expires_unix_s;
                    door.set_tls(Some(identity.config));
                    if let Some(warning) = expiry(which, watched.expires_unix_s) {
                        complain(&warning);
                    }
                }
            }
        }
    }

    /// Whether the admin listener speaks TLS.
    pub(crate) fn has_tls_for_admin(&self) -> bool {
        self.watched(1).files.is_some()
    }

    /// Looks at the files of both, once; what is to be said of it.
    fn look(&self) -> Vec<String> {
        let mut said = Vec::new();
        for which in 0..NAMES.len() {
            let files = self.watched(which).files.clone();
            let Some(files) = files else { continue };
            // It may take its time: nobody waits for it.
            let read = files.read();
            let mut watched = self.watched(which);
            if watched.files.as_ref() == Some(&files) {
                said.extend(watched.see(which, read, self.door(which)));
            }
        }
        said
    }

    fn door(&self, which: usize) -> &Door {
        [&self.data, &self.admin][which]
    }

    fn watched(&self, which: usize) -> MutexGuard<'_, Watched> {
        self.watched[which]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Takes what was read, if it is new and can be used; what is to be said of it.
    fn see(
        &mut self,
        which: usize,
        read: Result<IdentityText, IdentityError>,
        door: &Door,
    ) -> Option<String> {
        let name = NAMES[which];
        let text = match read {
            Ok(text) => text,
            // It may be away for a moment, as it is when it is written anew.
            Err(error) => {
                let error = Chain(&error).to_string();
                let is_new = self.unreadable.as_ref() != Some(&error);
                self.unreadable = Some(error.clone());
                return is_new.then(|| {
                    format!("{error}; the {name} listener goes on with the certificate it has")
                });
            }
        };
        self.unreadable = None;
        if self.judged.as_ref() == Some(&text) {
            self.next = None;
            return None;
        }
        if self.next.as_ref() != Some(&text) {
            self.next = Some(text);
            return None;
        }
        self.next = None;
        let judged = text.identity();
        self.judged = Some(text);
        match judged {
            Ok(identity) => {
                self.taken.fetch_add(1, Relaxed);
                self.expires_unix_s = identity.expires_unix_s;
                door.set_tls(Some(identity.config));
                expiry(which, identity.expires_unix_s)
            }
            Err(error) => {
                self.refused.fetch_add(1, Relaxed);
                Some(format!(
                    "the new certificate of the {name} listener is refused, the old one is shown on: {}",
                    Chain(&error)
                ))
            }
        }
    }
}

/// Says that a certificate has ended.
fn expiry(which: usize, expires_unix_s: i64) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let has_ended = i64::try_from(now.as_secs()).ok()? >= expires_unix_s;
    let ended = jiff::Timestamp::from_second(expires_unix_s).ok()?;
    has_ended.then(|| {
        format!(
            "the certificate of the {} listener ended on {ended}: clients will refuse it",
            NAMES[which]
        )
    })
}

async fn watch(doors: Weak<Doors>, complain: Complain) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let Some(doors) = doors.upgrade() else {
            return;
        };
        // It fails only while the runtime ends.
        let said = tokio::task::spawn_blocking(move || doors.look()).await;
        for text in said.unwrap_or_default() {
            complain(&text);
        }
    }
}

impl SampleSource for Doors {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        for (which, name) in NAMES.into_iter().enumerate() {
            for why in TurnedAway::ALL {
                let count = self.door(which).turned_away(why) as f64;
                let labels = [name, why.as_label()];
                out(&catalogue::TURNED_AWAY, &labels, Reading::Value(count));
            }
        }
        let with_tls = |read: &mut dyn FnMut(&str, &Watched)| {
            for (which, name) in NAMES.into_iter().enumerate() {
                let watched = self.watched(which);
                if watched.files.is_some() {
                    read(name, &watched);
                }
            }
        };
        with_tls(&mut |name, watched| {
            let expires = Reading::Value(watched.expires_unix_s as f64);
            out(&catalogue::TLS_EXPIRY, &[name], expires);
        });
        with_tls(&mut |name, watched| {
            let counts = [("taken", &watched.taken), ("refused", &watched.refused)];
            for (result, count) in counts {
                let count = Reading::Value(count.load(Relaxed) as f64);
                out(&catalogue::TLS_RELOADS, &[name, result], count);
            }
        });
    }
}
