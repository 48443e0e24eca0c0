//! Properties of the arithmetic, over any numbers.

mod bill;
mod hpa;
mod sizing;
