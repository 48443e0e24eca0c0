//! Where a server's own source imports and uses a package, and which tool leads there.
