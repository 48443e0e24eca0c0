//! Parts of a daemon that need several others to start.

use crate::cases::CaseDesk;
use crate::home::Home;
use crate::notify::Desk;
use crate::rules::{Parts, Running};
use crate::scanner::ServerScanner;
use crate::settings::{self, Environment};
use crate::sinks::{self, Sinks};
use crate::start_error::StartError;
use crate::stores;
use ph_plan::Plan;
use ph_record::{EventKind, Observation, RecordSink as _, Replica, ServerEvent};
use ph_recorder::{Recorder, RecorderError, Tails};
use ph_relay::Relay;
use ph_sinks::StoreFeed;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Gets ready to evaluate rules over what is kept.
pub(crate) fn start_rules(
    recorder: &Recorder,
    readers: Option<&stores::Readers>,
    desk: &Desk,
    say: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Arc<Running>, StartError> {
    let kept = readers.map(|readers| readers.series.clone());
    let running = Running::start(Parts {
        recorder: recorder.clone(),
        kept: kept.zip(recorder.keeper()),
        notifier: desk.notifier(),
        say,
    });
    Ok(Arc::new(running.map_err(StartError::Rules)?))
}

/// Follows the log files of the plan, if anything is kept.
pub(crate) fn start_tails(
    plan: &Plan,
    home: &Home,
    recorder: &Recorder,
    complain: &Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Option<Tails>, StartError> {
    let Some(keeper) = recorder.keeper() else {
        return Ok(None);
    };
    let files = settings::tail_files(plan);
    let tails = Tails::start(
        home.tails(),
        keeper,
        recorder.redactor(),
        files,
        Arc::clone(complain),
    );
    let tails = tails.map_err(|error| StartError::Recorder(RecorderError::Thread(error)))?;
    recorder.add_source(tails.source());
    Ok(Some(tails))
}

/// Passes on what is kept, if anything is.
pub(crate) async fn start_sinks(
    plan: &Plan,
    home: &Home,
    recorder: &Recorder,
    readers: Option<&stores::Readers>,
    version: &str,
    complain: &Arc<dyn Fn(&str) + Send + Sync>,
    sinks_stop_max: Duration,
) -> Result<Option<Arc<Sinks>>, StartError> {
    let Some(readers) = readers else {
        return Ok(None);
    };
    let feed =
        StoreFeed::new(readers.logs.clone(), &home.store_logs()).map_err(StartError::Home)?;
    let sinks = Arc::new(Sinks::new(sinks::Parts {
        feed,
        dir: home.sinks(),
        metrics: Arc::new(recorder.clone()),
        version: version.to_owned(),
        complain: Arc::clone(complain),
    }));
    sinks.apply(plan, sinks_stop_max).await?;
    recorder.add_source(Arc::<Sinks>::clone(&sinks));
    Ok(Some(sinks))
}

/// Goes on with the cases of vulnerabilities.
///
/// - `news`: told when there are other advisories than before.
pub(crate) fn start_cases(
    plan: &Plan,
    home: &Home,
    environment: &Environment,
    relay: &Arc<Relay>,
    (recorder, readers): (&Recorder, Option<&stores::Readers>),
    news: Arc<Notify>,
    complain: &Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Arc<CaseDesk>, StartError> {
    let logs = readers.map(|readers| readers.logs.clone());
    let scanner = ServerScanner::new(plan, home.path(), environment, relay, logs);
    let log = recorder.clone();
    let say = move |text: &str| {
        let at_unix_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        log.observe(Observation::Event(ServerEvent {
            server: None,
            replica: Replica::None,
            at_unix_ns,
            kind: EventKind::Note {
                warning: true,
                text: text.into(),
            },
        }));
    };
    let cases = CaseDesk::start(plan, home, Box::new(scanner), Box::new(say), news, complain)?;
    recorder.add_source(Arc::<CaseDesk>::clone(&cases));
    Ok(cases)
}
