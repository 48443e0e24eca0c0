//! The whole binary, in front of scripted servers, as its clients and operators see it.

mod client;
mod collector;
mod gateway;
mod http1;
mod one_record;
mod world;
