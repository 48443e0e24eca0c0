//! Limits that are shared with other processes: where a plan says so, the relay is given Redis to remember in.

use crate::start_error::StartError;
use arc_swap::ArcSwapOption;
use ph_plan::{OnFailure, Plan, Redis};
use ph_policy::{Charges, Now};
use ph_record::{
    EventKind, Observation, Reading, RecordSink as _, Replica, SampleSource, ServerEvent,
};
use ph_recorder::Recorder;
use ph_redis::{SharedLimits, Stats, Taken, Trouble};
use ph_relay::{Held, Lacking, LimitStore, Relay, Taking, Verdict};
use ph_wire::workers::Workers;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The Redis of the running plan, if it has one.
pub(crate) struct LimitsHome {
    stats: Arc<Stats>,
    running: ArcSwapOption<InRedis>,
}

/// Limits remembered in Redis, as the relay asks for them.
struct InRedis {
    plan: Redis,
    shared: SharedLimits,
}

impl LimitsHome {
    pub(crate) fn new(recorder: &Recorder) -> Arc<Self> {
        let told = recorder.clone();
        let stats = Stats::new(Box::new(move |trouble| note(&told, trouble)));
        let home = Arc::new(Self {
            stats: Arc::new(stats),
            running: ArcSwapOption::empty(),
        });
        recorder.add_source(home.clone());
        home
    }

    /// Gives `relay` what `plan` says, to be used from the next plan on that it applies.
    pub(crate) fn apply(
        &self,
        plan: &Plan,
        relay: &Relay,
        workers: &Workers,
    ) -> Result<(), StartError> {
        let wanted = plan.redis.as_ref().filter(|_| !plan.limits.is_empty());
        let running = self.running.load_full();
        if running.as_ref().map(|running| &running.plan) == wanted {
            return Ok(());
        }
        let next = wanted
            .map(|redis| self.connect(redis, workers))
            .transpose()?;
        relay.share_limits(next.clone().map(|store| store as Arc<dyn LimitStore>));
        self.running.store(next);
        Ok(())
    }

    fn connect(&self, redis: &Redis, workers: &Workers) -> Result<Arc<InRedis>, StartError> {
        let settings = settings(redis).map_err(StartError::RedisTls)?;
        let shared = SharedLimits::new(settings, workers.count(), Arc::clone(&self.stats));
        let store = Arc::new(InRedis {
            plan: redis.clone(),
            shared: shared
                .map_err(|error| StartError::Home(std::io::Error::other(error.to_string())))?,
        });
        for worker in 0..workers.count() {
            let store = Arc::clone(&store);
            // Before the first call comes.
            workers
                .handle(worker)
                .spawn(async move { store.shared.connect() });
        }
        Ok(store)
    }

    /// What is wrong, in words, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        let running = self.running.load_full()?;
        let trouble = self.stats.trouble()?;
        let since = i64::try_from(trouble.since_unix_s).unwrap_or(i64::MAX);
        let since = jiff::Timestamp::from_second(since).unwrap_or_default();
        let meanwhile = meanwhile(running.plan.on_failure);
        Some(format!(
            "limits cannot be checked since {since}; {meanwhile}: {}",
            trouble.what
        ))
    }
}

fn meanwhile(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Open => "calls pass as if there were none",
        OnFailure::Closed => "calls that they are for are refused",
    }
}

fn settings(redis: &Redis) -> Result<ph_redis::Settings, ph_wire::tls::TlsError> {
    let url = redis.url.as_ref();
    let tls = url.filter(|url| url.is_tls()).map(|_| {
        let ca_file = redis.ca_file.as_ref().map(ph_plan::FilePath::as_path);
        ph_wire::tls::client_config(ca_file)
    });
    let text = |text: &ph_plan::Text| text.as_str().to_owned();
    Ok(ph_redis::Settings {
        host: url.map_or_else(String::new, |url| url.host().to_owned()),
        port: url.map_or(0, ph_plan::RedisUrl::port),
        tls: tls.transpose()?,
        username: redis.username.as_ref().map(text),
        password: redis
            .password
            .as_ref()
            .map(|password| password.expose().to_owned()),
        database: url.map_or(0, ph_plan::RedisUrl::database),
        prefix: text(&redis.prefix),
        timeout: redis.timeout,
    })
}

fn note(recorder: &Recorder, trouble: Option<&Trouble>) {
    let text = match trouble {
        Some(trouble) => format!("limits cannot be checked: {}", trouble.what),
        None => "limits can be checked again".to_owned(),
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let at_unix_ns = since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
    recorder.observe(Observation::Event(ServerEvent {
        server: None,
        replica: Replica::None,
        at_unix_ns,
        kind: EventKind::Note {
            warning: trouble.is_some(),
            text: text.into(),
        },
    }));
}

impl LimitStore for InRedis {
    fn take<'a>(&'a self, charges: &'a Charges<'a>, _now: Now) -> Taking<'a> {
        if charges.enforced.is_empty() && charges.dry.is_empty() {
            return Taking::Done(Verdict::Unchecked);
        }
        Taking::Later(Box::pin(async move {
            match self.shared.take(charges).await {
                Ok(Taken::All {
                    lease,
                    would_refuse,
                }) => Verdict::Taken {
                    held: Held(lease.into_iter().collect()),
                    would_refuse,
                },
                Ok(Taken::Nothing { charge, wait }) => Verdict::Refused(Lacking { charge, wait }),
                Err(_) => match self.plan.on_failure {
                    OnFailure::Open => Verdict::Unchecked,
                    OnFailure::Closed => Verdict::Unavailable,
                },
            }
        }))
    }

    fn give_back(&self, held: &Held) {
        held.0
            .iter()
            .for_each(|lease| self.shared.give_back(*lease));
    }
}

impl SampleSource for LimitsHome {
    fn samples(
        &self,
        out: &mut dyn FnMut(&'static ph_record::catalogue::Metric, &[&str], Reading<'_>),
    ) {
        if self.running.load().is_some() {
            self.stats.samples(out);
        }
    }
}
