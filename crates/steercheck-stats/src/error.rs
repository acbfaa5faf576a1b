/// Why there is no estimate. None of the functions answers such a question with NaN.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was observed, so nothing can be said.
    #[error("no estimate from 0 observations: give at least one")]
    NoObservations,
    /// More successes than trials.
    #[error("{successes} successes in {n} trials: the successes are counted among the trials")]
    TooManySuccesses {
        /// Successes given.
        successes: usize,
        /// Trials given.
        n: usize,
    },
    /// A confidence level that is not a probability strictly between 0 and 1.
    #[error("a confidence level of {0} is not between 0 and 1 (both excluded): 0.95 is usual")]
    Level(f64),
}
