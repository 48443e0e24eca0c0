//! Servers and their replicas, as the API asks for them.

use ph_api::{
    ChildLimits, ReplaceTo, ReplacementInfo, ReplicaInfo, ServerChange, ServerInfo, ServerRefusal,
    Servers,
};
use ph_base::Era;
use ph_plan::Version;
use ph_policy::replace::Steps;
use ph_relay::{ControlError, LimitStatus, Relay, ReplacementStatus, ReplicaStatus, ServerStatus};
use std::sync::Arc;
use std::time::Duration;

/// The relay's servers.
pub(crate) struct ServerDesk(pub(crate) Arc<Relay>);

impl Servers for ServerDesk {
    fn servers(&self) -> Vec<ServerInfo> {
        self.0.servers().into_iter().map(server).collect()
    }

    fn change(&self, name: &str, change: ServerChange) -> Result<(), ServerRefusal> {
        let done = match change {
            ServerChange::Scale { replicas } => self.0.scale(name, replicas),
            ServerChange::Restart => self.0.restart(name),
            ServerChange::Drain => self.0.drain(name, true),
            ServerChange::Resume => self.0.drain(name, false),
            ServerChange::Replace {
                to,
                steps,
                every_seconds,
            } => {
                let senseless = |error: ph_policy::replace::StepsError| {
                    ServerRefusal::Senseless(error.to_string())
                };
                let steps = Steps::new(&steps).map_err(senseless)?;
                let every = every_seconds.map(|s| Duration::from_secs(s.into()));
                self.0.replace(name, &version(to)?, steps, every)
            }
            ServerChange::PauseReplacement => self.0.pause_replacement(name),
            ServerChange::ResumeReplacement => self.0.resume_replacement(name),
            ServerChange::UndoReplacement => self.0.undo_replacement(name),
        };
        done.map_err(|error| match error {
            ControlError::Unknown(_) => ServerRefusal::Unknown(error.to_string()),
            other => ServerRefusal::NotPossible(other.to_string()),
        })
    }
}

/// What is to run.
fn version(to: ReplaceTo) -> Result<Version, ServerRefusal> {
    Ok(match to {
        ReplaceTo::Url(url) => Version::Url(url),
        ReplaceTo::Command(words) => {
            let mut words = words.into_iter();
            let program = words.next().filter(|program| !program.is_empty());
            Version::Command {
                program: program
                    .ok_or_else(|| ServerRefusal::Senseless("a command has a program".into()))?,
                args: words.collect(),
            }
        }
        ReplaceTo::Package(text) => match text.rsplit_once('@') {
            Some((name, version)) if !name.is_empty() => Version::Package {
                name: name.to_owned(),
                version: version.to_owned(),
            },
            _ => {
                let text = format!("`{text}` is no NAME@VERSION of a package");
                return Err(ServerRefusal::Senseless(text));
            }
        },
    })
}

fn server(status: ServerStatus) -> ServerInfo {
    ServerInfo {
        name: status.name,
        transport: status.transport.to_owned(),
        era: status.era.map(|era| {
            let word = match era {
                Era::Modern => "modern",
                Era::Legacy => "legacy",
            };
            word.to_owned()
        }),
        up: status.up,
        drained: status.drained,
        wanted: status.wanted,
        fixed: status.fixed,
        in_flight: status.in_flight,
        waiting: status.waiting,
        children: status.children,
        sessions: status.sessions,
        command: status.command,
        limits: status.limits.map(limits),
        processes: status.processes,
        replicas: status.replicas.into_iter().map(replica).collect(),
        replacement: status.replacement.map(replacement),
        replaced: status.replaced,
    }
}

fn replacement(status: ReplacementStatus) -> ReplacementInfo {
    ReplacementInfo {
        to: status.to,
        state: status.state.to_owned(),
        weight: status.weight,
        step: status.step,
        steps: status.steps,
        every_seconds: status.every.map(|every| every.as_secs_f64()),
        up: status.up,
    }
}

fn limits(status: LimitStatus) -> ChildLimits {
    ChildLimits {
        memory_bytes: status.memory_bytes_max,
        cpus: status.cpus_max,
        open_files: status.open_files_max,
        not_enforced: status.not_enforced,
    }
}

fn replica(status: ReplicaStatus) -> ReplicaInfo {
    ReplicaInfo {
        slot: status.slot,
        state: status.state.to_owned(),
        pid: status.pid,
        address: status.address,
        age_seconds: status.age.map(|age| age.as_millis() as f64 / 1_000.0),
        in_flight: status.in_flight,
        restarts: status.restarts,
        why: status.why,
    }
}
