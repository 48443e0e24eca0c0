//! Ids, units, closed enums and diagnostics that every other crate speaks.
