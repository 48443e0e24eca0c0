//! Rule files and their machines, from the outside.

mod machine;
mod standard;
mod unit;
