//! Bytes to frames: HTTP, SSE, stdio children, TLS.
