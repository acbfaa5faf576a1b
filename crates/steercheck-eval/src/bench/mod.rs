//! Benchmarks that anyone can run: the fast path beside the naive one, on the same work, in one run.

mod dola;
mod function_vector;
mod rates;

pub use dola::{DolaBench, dola};
pub use function_vector::{FunctionVectorBench, function_vector};
pub use rates::Rates;
