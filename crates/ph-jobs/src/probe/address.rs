//! A loopback address that notes which paths were asked for.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// So many paths are noted.
const PATHS_MAX: usize = 1_000;
const REQUEST_BYTES_MAX: usize = 1024;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(1);

/// The listener; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Address {
    port: u16,
    paths: Arc<Mutex<BTreeSet<String>>>,
    task: AbortHandle,
}

impl Address {
    pub(super) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let paths = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = Arc::clone(&paths);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One after the other: whoever is slow is left after a second.
                let _ = timeout(REQUEST_TIME_MAX, note(stream, &noted)).await;
            }
        });
        Ok(Self {
            port,
            paths,
            task: task.abort_handle(),
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The last part of each path.
    pub(super) fn fetched(&self) -> Vec<String> {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.iter().cloned().collect()
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn note(mut stream: TcpStream, paths: &Mutex<BTreeSet<String>>) -> io::Result<()> {
    let mut request = [0; REQUEST_BYTES_MAX];
    let mut filled = 0;
    while filled < request.len() && !request[..filled].contains(&b'\n') {
        match stream.read(&mut request[filled..]).await? {
            0 => break,
            n => filled += n,
        }
    }
    let line = String::from_utf8_lossy(&request[..filled]);
    if let Some(path) = line.split_whitespace().nth(1) {
        let last = path.rsplit('/').next().unwrap_or_default();
        let mut paths = paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() < PATHS_MAX {
            paths.insert(last.to_owned());
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        .await
}
