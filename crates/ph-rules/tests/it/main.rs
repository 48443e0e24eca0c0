//! Rule files and their machines, from the outside.

mod standard;
