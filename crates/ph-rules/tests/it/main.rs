//! Rule files and their machines, from the outside.

mod machine;
mod slo;
mod standard;
mod unit;
