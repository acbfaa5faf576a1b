//! What is asked of observations before anything is computed from them.

use crate::Error;

/// Refuses an empty list and anything that is not a finite number.
pub(crate) fn observations(values: &[f64]) -> Result<(), Error> {
    if values.is_empty() {
        return Err(Error::NoObservations);
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite { index }),
        None => Ok(()),
    }
}

/// Refuses finite observations outside of [`least`, `most`] as well.
pub(crate) fn within(values: &[f64], least: f64, most: f64) -> Result<(), Error> {
    observations(values)?;
    match values.iter().position(|v| !(least..=most).contains(v)) {
        Some(index) => Err(Error::OutOfRange { index, value: values[index], least, most }),
        None => Ok(()),
    }
}

/// Refuses lists of different lengths.
pub(crate) fn same_length(expected: usize, given: usize) -> Result<(), Error> {
    if expected == given { Ok(()) } else { Err(Error::Lengths { expected, given }) }
}

/// Refuses probabilities outside of [0, 1].
pub(crate) fn probability(p: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&p) { Ok(()) } else { Err(Error::Probability(p)) }
}

/// Refuses significance levels outside of (0, 1).
pub(crate) fn alpha(alpha: f64) -> Result<(), Error> {
    if alpha > 0.0 && alpha < 1.0 { Ok(()) } else { Err(Error::Alpha(alpha)) }
}
