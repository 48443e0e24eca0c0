//! Bytes to frames and back: HTTP/1.1 and 2, SSE, stdio children, TLS.
//!
//! Layer 2. Everything here is bounded and decides nothing: which server a
//! request goes to, what it means and when it is over is said in `ph-relay`.

pub mod body;
pub mod cgroup;
pub mod child;
pub mod lines;
pub mod listener;
pub mod procfs;
pub mod reaper;
pub mod sse;
pub mod tls;
pub mod unread;
pub mod upstream;
pub mod workers;
