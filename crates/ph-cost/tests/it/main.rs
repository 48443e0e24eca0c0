//! Properties of the arithmetic, over any numbers.

mod attribution;
mod bill;
mod hpa;
mod sizing;
