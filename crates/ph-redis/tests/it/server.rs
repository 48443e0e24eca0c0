//! A Redis of our own.

use ph_redis::resp::{self, Reply};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `redis-server` on a port of its own, without files; ended when dropped.
pub(crate) struct Redis {
    process: Child,
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) fn start() -> Self {
        // The port is free for as long as it takes; if another program gets it, Redis says so and ends.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        Self::start_at(port)
    }

    pub(crate) fn start_at(port: u16) -> Self {
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is among the packages of .ci/packages.txt");
        let mut redis = Self { process, port };
        let give_up = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(redis.process.try_wait().unwrap().is_none(), "it ended");
            assert!(Instant::now() < give_up, "it does not listen");
            std::thread::yield_now();
        }
        redis
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            stream: TcpStream::connect(("127.0.0.1", self.port)).unwrap(),
            unread: Vec::new(),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let done = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks one thing after the other.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn ask(&mut self, command: &[&str]) -> Reply {
        let mut out = Vec::new();
        resp::command(command, &mut out);
        self.send(&out)
    }

    pub(crate) fn send(&mut self, command: &[u8]) -> Reply {
        self.stream.write_all(command).unwrap();
        loop {
            if let Some((reply, length)) = resp::read(&self.unread).unwrap() {
                self.unread.drain(..length);
                return reply;
            }
            let mut some = [0; 4096];
            let length = self.stream.read(&mut some).unwrap();
            assert!(length > 0, "it has closed");
            self.unread.extend(&some[..length]);
        }
    }
}
