//! JSON-RPC envelope, MCP methods and revisions; sans I/O.
