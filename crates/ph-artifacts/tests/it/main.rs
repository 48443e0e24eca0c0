//! Plans, and the files that are made of them.

mod dashboards;
mod golden;
mod kubernetes;
