//! The logit lens (nostalgebraist 2020): what every residual of a prompt would say next if it were the last, methods.md §4.

mod asked;
mod grid;
mod table;

pub use asked::{Look, lettered, with_demonstrations};
pub use grid::{LensGrid, Seen, lens};
pub use table::LensTable;
