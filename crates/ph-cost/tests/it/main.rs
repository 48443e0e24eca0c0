//! Properties of the arithmetic, over any numbers.

mod hpa;
mod sizing;
