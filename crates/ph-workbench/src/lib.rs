//! An MCP server of our own: files, database and HTTP tools, each step traced.
