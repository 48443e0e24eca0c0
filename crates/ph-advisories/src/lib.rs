//! The local mirror of advisories: fetched, imported, indexed by package, read.
