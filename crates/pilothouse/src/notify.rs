//! What systemd is told of a service of `Type=notify`: `sd_notify(3)`, a datagram of a few words.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variables by which systemd says where it listens. Children are not ours to vouch for: `ph-wire` takes these
/// from them.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";
const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";
const WATCHDOG_PID_VARIABLE: &str = "WATCHDOG_PID";
/// Longest wait for a receiver whose queue is full.
const SEND_MAX: Duration = Duration::from_secs(1);

/// Who waits to hear how the start goes; nobody where no service manager has started us.
pub(crate) struct Notify {
    socket: Option<UnixDatagram>,
    /// It has to hear of us so often, or it takes us for hung.
    watchdog: Option<Duration>,
}

impl Notify {
    /// - `variable`: the environment.
    /// - `pid`: of this process.
    ///
    /// # Errors
    /// When a service manager waits where it cannot be reached.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>, pid: u32) -> io::Result<Self> {
        let Some(name) = variable(SOCKET_VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Self {
                socket: None,
                watchdog: None,
            });
        };
        let address = match name.strip_prefix('@') {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_MAX))?;
        socket.connect_addr(&address)?;
        let is_for_us =
            variable(WATCHDOG_PID_VARIABLE).is_none_or(|wanted| wanted.trim().parse() == Ok(pid));
        let micros = variable(WATCHDOG_VARIABLE).and_then(|text| text.trim().parse().ok());
        let watchdog = micros
            .filter(|micros: &u64| *micros > 0 && is_for_us)
            .map(Duration::from_micros);
        Ok(Self {
            socket: Some(socket),
            watchdog,
        })
    }

    /// It serves now.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// It reads its configuration again; [`Self::ready`] says that this is over.
    pub(crate) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the configuration"
        ));
    }

    /// It ends.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// Says again and again that it lives; ends never, or at once when nobody wants to know.
    pub(crate) async fn keep_telling(&self) {
        let Some(watchdog) = self.watchdog else {
            return;
        };
        // Half of it, as sd_watchdog_enabled(3) recommends.
        let mut often = tokio::time::interval((watchdog / 2).max(Duration::from_millis(1)));
        often.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            often.tick().await;
            self.send("WATCHDOG=1");
        }
    }

    fn send(&self, words: &str) {
        if let Some(socket) = &self.socket {
            // A manager that has gone away has nobody wait.
            let _ = socket.send(words.as_bytes());
        }
    }
}

/// A line end would begin another word.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (tempfile::TempDir, UnixDatagram, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        (dir, socket, path.display().to_string())
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn what_is_told() {
        let (_dir, socket, path) = listener();
        let only_socket = |name: &str| (name == SOCKET_VARIABLE).then(|| path.clone());
        let notify = Notify::of(only_socket, 7).unwrap();
        notify.ready("2 servers\nREADY=0");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=2 servers READY=0");
        notify.reloading();
        let said = heard(&socket);
        let micros = said.split("MONOTONIC_USEC=").nth(1).unwrap();
        let micros: u64 = micros.lines().next().unwrap().parse().unwrap();
        assert!(said.starts_with("RELOADING=1\n") && micros > 0, "{said}");
        notify.stopping();
        assert!(heard(&socket).starts_with("STOPPING=1\n"));
        assert_eq!(notify.watchdog, None);
    }

    #[test]
    fn a_name_without_a_file() {
        let name = format!("pilothouse-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let variable = |asked: &str| (asked == SOCKET_VARIABLE).then(|| format!("@{name}"));
        Notify::of(variable, 7).unwrap().ready("x");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=x");
    }

    #[test]
    fn the_watchdog_is_ours_or_not() {
        let (_dir, _socket, path) = listener();
        let watchdog = |usec: &str, pid: Option<&str>| {
            let variable = |name: &str| match name {
                SOCKET_VARIABLE => Some(path.clone()),
                WATCHDOG_VARIABLE => Some(usec.to_owned()),
                WATCHDOG_PID_VARIABLE => pid.map(ToOwned::to_owned),
                _ => None,
            };
            Notify::of(variable, 7).unwrap().watchdog
        };
        assert_eq!(watchdog("3000000", None), Some(Duration::from_secs(3)));
        assert_eq!(watchdog("3000000", Some("7")), Some(Duration::from_secs(3)));
        assert_eq!(watchdog("3000000", Some("8")), None);
        assert_eq!(watchdog("0", None), None);
        assert_eq!(watchdog("x", None), None);
    }

    #[test]
    fn nobody_waits() {
        Notify::of(|_| None, 7).unwrap().ready("x");
        let gone = |name: &str| (name == SOCKET_VARIABLE).then(|| "/nowhere/at/all".to_owned());
        assert!(Notify::of(gone, 7).is_err());
    }
}
