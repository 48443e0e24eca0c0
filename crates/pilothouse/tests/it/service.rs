//! As a service of systemd: what it is told, by the real binary, and what children do not see of it.

use crate::gateway::{Gateway, PATIENCE};
use crate::world::stdio;
use ph_sim::fake_stdio_server;
use rustix::process::Signal;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

struct Manager(UnixDatagram);

impl Manager {
    /// The next message that has this word in it.
    fn hears(&self, word: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer);
            let length = length.unwrap_or_else(|e| panic!("{word} was not said: {e}"));
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if said.contains(word) {
                return said;
            }
        }
    }
}

fn yaml(servers: &str) -> String {
    format!("admin: {{listen: 127.0.0.1:0}}\nservers:\n{servers}")
}

#[test]
fn a_service_manager_is_told_how_it_goes() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let path = dir.path().join("notify.sock");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let seen = dir.path().join("environment");
    let script = format!(
        "env > {}.new; mv {0}.new {0}; exec {}",
        seen.display(),
        fake_stdio_server().display()
    );
    let child = format!(
        "  one:\n    command: bash\n    args: {:?}\n",
        ["-c", &script]
    );
    let path = path.display().to_string();
    let environment = [
        ("NOTIFY_SOCKET", path.as_str()),
        ("WATCHDOG_USEC", "100000"),
    ];
    let mut gateway = Gateway::launch_with(Arc::clone(&dir), &yaml(&child), &environment);

    let ready = manager.hears("READY=1");
    assert!(ready.contains("STATUS=1 server at 127.0.0.1:"), "{ready}");
    // What it says is so: somebody listens.
    assert_eq!(gateway.get("/livez", "localhost").status(), 200);
    for _ in 0..3 {
        assert_eq!(manager.hears("WATCHDOG"), "WATCHDOG=1");
    }

    let environment = crate::gateway::until("the child's environment", || {
        std::fs::read_to_string(&seen).ok()
    });
    assert!(environment.contains("PATH="), "{environment}");
    for name in ["NOTIFY_SOCKET=", "WATCHDOG_"] {
        assert!(!environment.contains(name), "{environment}");
    }

    let two = format!("{child}{}", stdio("two", &[], ""));
    gateway.configure(&yaml(&two));
    gateway.signal(Signal::HUP);
    let reloading = manager.hears("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let ready = manager.hears("READY=1");
    assert!(ready.contains("STATUS=2 servers at"), "{ready}");

    gateway.signal(Signal::TERM);
    manager.hears("STOPPING=1");
    gateway.wait();
}
