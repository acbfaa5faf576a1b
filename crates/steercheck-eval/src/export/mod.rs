//! Records as tidy tables for data frames: one row per item × arm, setting, dose, head or card, in Parquet or CSV (docs/store.md).

mod cards;
mod file;
mod frame;
mod records;

pub use cards::cards;
pub use file::{ExportForm, write};
pub use frame::{Frame, Kind, Value};
pub use records::{cells, doses, heads, items, settings};

use crate::card::{self, CardError};
use crate::record::Record;

/// Every table of some records, and of the cards that they amount to.
pub fn tables(records: &[Record]) -> Result<Vec<Frame>, CardError> {
    let judged = card::cards(records)?;
    Ok(vec![cards(&judged), cells(records), items(records), settings(records), doses(records), heads(records)])
}
