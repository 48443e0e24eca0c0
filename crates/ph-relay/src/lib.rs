//! The data plane: sessions, upstreams, supervision, deadlines.
