//! The router, asked as a client asks it.

mod given;
mod logs;
mod otlp;
mod prometheus;
mod surface;
