//! Wall times of a cell's stages.

use std::collections::BTreeMap;
use std::time::Instant;

/// Counts the seconds from one stage to the next.
pub(super) struct Clock {
    last: Instant,
    laps: BTreeMap<String, f64>,
}

impl Clock {
    /// Starts, after a preparation that took so many seconds.
    pub(super) fn new(prepared: f64) -> Self {
        Self { last: Instant::now(), laps: BTreeMap::from([("prepare".to_string(), prepared)]) }
    }

    /// A stage has ended.
    pub(super) fn lap(&mut self, name: &str) {
        self.laps.insert(name.to_string(), self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
    }

    /// All stages and their total.
    pub(super) fn finish(mut self) -> BTreeMap<String, f64> {
        let total = self.laps.values().sum();
        self.laps.insert("total".to_string(), total);
        self.laps
    }
}
