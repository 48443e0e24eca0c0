//! Fake servers for tests: real protocol, scripted behaviour.
//!
//! Each is told what to do by the call itself: the tool's name says how it behaves, its arguments
//! how much. A test so reads in one place, and servers need no setup. [`TOOLS`] lists the names;
//! what each does over stdio and over HTTP is said at [`fake_stdio`] and [`fake_http`].
//!
//! Not here: clients, and anything a server of the field would do better (`ph-workbench`).

mod executable;
pub mod fake_http;
pub mod fake_stdio;
mod protocol;

pub use executable::{example, fake_stdio_server};
pub use fake_http::FakeHttpUpstream;
pub use protocol::{Eras, TOOLS};
