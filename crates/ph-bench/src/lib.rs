//! Fast upstream and load generator of the benchmarks.
