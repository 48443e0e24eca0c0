//! The mirror as it is used: imported, fetched from a server on loopback, read.

mod archives;
mod crash;
mod imports;
mod server;
mod updates;
mod world;
