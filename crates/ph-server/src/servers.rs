//! Servers and their replicas, as the API asks for them.

use ph_api::{ReplicaInfo, ServerChange, ServerInfo, ServerRefusal, Servers};
use ph_base::Era;
use ph_relay::{ControlError, Relay, ReplicaStatus, ServerStatus};
use std::sync::Arc;

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
        };
        done.map_err(|error| match error {
            ControlError::Unknown(_) => ServerRefusal::Unknown(error.to_string()),
            other => ServerRefusal::NotPossible(other.to_string()),
        })
    }
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
        replicas: status.replicas.into_iter().map(replica).collect(),
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
