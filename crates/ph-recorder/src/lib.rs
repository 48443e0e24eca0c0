//! Records in; counters, log lines and spans out.
