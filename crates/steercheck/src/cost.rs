//! What running a model from its files costs, told before it runs.

use std::time::Duration;

use steercheck_model::{ModelInfo, Precision, bytes_text};

use crate::progress::line;

/// Says on standard error what reading weights again costs, where they do not fit the memory. `reading` is what reading the
/// files once has taken, `passes` how often a run goes through them.
pub(crate) fn tell(info: &ModelInfo, memory: u64, reading: Duration, passes: f64) {
    // Weights that are widened are in memory.
    if info.precision != Precision::F32
        && let Some(cost) = of_reading(Files { bytes: info.file_bytes, reading }, memory, passes)
    {
        line(&format!("note: {cost}"));
    }
}

/// Weights that are read where they lie.
#[derive(Debug, Clone, Copy)]
struct Files {
    /// Bytes of all.
    bytes: u64,
    /// What reading them once has taken.
    reading: Duration,
}

/// A sentence on weights that do not fit the memory; `None` where they do.
fn of_reading(files: Files, memory: u64, passes: f64) -> Option<String> {
    if files.bytes <= memory {
        return None;
    }
    let (size, reading) = (files.bytes as f64, files.reading);
    let rate = size / reading.as_secs_f64().max(1e-3);
    let total = size * passes;
    Some(format!(
        "the weights ({}) do not fit the {} that this run may take, so that each of about {passes:.0} passes reads them from disk \
         again: {} in all, about {} at the {}/s of reading them just now (a cached part makes that rate too high), besides \
         the arithmetic",
        bytes_text(files.bytes),
        bytes_text(memory),
        bytes_text(total as u64),
        time(total / rate),
        bytes_text(rate as u64),
    ))
}

/// `40 s`, `12 min`, `3.4 h`, `5.6 days`.
pub(crate) fn time(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 90.0 * 60.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 72.0 * 3600.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.1} days", seconds / 86400.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Files, of_reading, time};

    #[test]
    fn weights_larger_than_memory_are_told_with_the_bytes_and_the_time_of_reading_them() {
        let files = Files { bytes: 13_500_000_000, reading: Duration::from_secs(27) };
        let text = of_reading(files, 8_000_000_000, 20.0).unwrap();
        for part in ["(13.50 GB)", "the 8.00 GB", "about 20 passes", "270.00 GB in all", "about 9 min", "500.0 MB/s"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        assert_eq!(of_reading(files, 13_500_000_000, 20.0), None);
    }

    #[test]
    fn times_are_told_in_the_unit_that_suits_them() {
        assert_eq!([12.0, 600.0, 9000.0, 864_000.0].map(time), ["12 s", "10 min", "2.5 h", "10.0 days"]);
    }
}
