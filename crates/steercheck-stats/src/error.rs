/// Why there is no estimate. None of the functions that can fail answers such a question with NaN.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was observed, so nothing can be said.
    #[error("no estimate from 0 observations: give at least one")]
    NoObservations,
    /// Fewer observations than the formula needs.
    #[error("{given} observations where at least {needed} are needed: add items, or leave this figure out")]
    TooFew {
        /// Observations the formula needs.
        needed: usize,
        /// Observations given.
        given: usize,
    },
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
    /// NaN or an infinity among the observations.
    #[error(
        "observation {index} is not a finite number: leave failed items out beforehand, and report how many there were"
    )]
    NotFinite {
        /// Position of the first such observation, from 0.
        index: usize,
    },
    /// An observation outside of the range that the method needs.
    #[error(
        "observation {index} is {value}, outside of [{least}, {most}]: scale the values, or use a method without bounds"
    )]
    OutOfRange {
        /// Position of the first such observation, from 0.
        index: usize,
        /// Its value.
        value: f64,
        /// Least value allowed.
        least: f64,
        /// Largest value allowed.
        most: f64,
    },
    /// Lists that belong together have different lengths.
    #[error(
        "lists of {expected} and {given} entries where entries belong together by index: give one entry per item in both"
    )]
    Lengths {
        /// Entries of the first list.
        expected: usize,
        /// Entries of the other one.
        given: usize,
    },
    /// Too few or too many bootstrap resamples.
    #[error("{given} resamples: take between {least} and {most} (10000 is usual; a higher level needs more)")]
    Resamples {
        /// Resamples asked for.
        given: usize,
        /// Fewest that leave enough beyond both ends of the interval.
        least: usize,
        /// Most that are taken.
        most: usize,
    },
    /// The statistic is NaN or infinite for the observations themselves.
    #[error(
        "the statistic of the observations is not a finite number: where a denominator is 0, report the difference instead of \
         the ratio; where values are huge, scale them"
    )]
    Undefined,
    /// The statistic is NaN or infinite for more than one in a hundred resamples.
    #[error(
        "the statistic is not a finite number in {undefined} of {resamples} resamples: a denominator is probably close to 0; \
         report the difference instead of the ratio, or add items"
    )]
    Unstable {
        /// Resamples without a finite statistic.
        undefined: usize,
        /// Resamples taken.
        resamples: usize,
    },
    /// A probability outside of [0, 1].
    #[error("{0} is not a probability: give a value between 0 and 1")]
    Probability(f64),
    /// A significance level that is not strictly between 0 and 1.
    #[error("a significance level of {0} is not between 0 and 1 (both excluded): 0.05 is usual")]
    Alpha(f64),
    /// A power that no planned study has: at most the significance level, or 1 and above.
    #[error("a power of {power} is not between the significance level {alpha} and 1 (both excluded): 0.8 is usual")]
    Power {
        /// Power asked for.
        power: f64,
        /// Significance level.
        alpha: f64,
    },
    /// A standard deviation that is negative or not finite.
    #[error("a standard deviation of {0} is not a finite number from 0 upwards")]
    Sd(f64),
    /// An effect that no number of items shows.
    #[error("no number of items shows an effect of {0}: name the smallest effect that matters, other than 0")]
    Effect(f64),
    /// A gain that is larger than the share of pairs that differ.
    #[error(
        "a gain of {gain} with {discordant} of the pairs discordant: the gain lies within ± that share, which lies in [0, 1]"
    )]
    Gain {
        /// P(only a) − P(only b).
        gain: f64,
        /// P(only a) + P(only b).
        discordant: f64,
    },
    /// An exact computation that would take too long.
    #[error(
        "the exact distribution would take {steps:.1e} steps, more than {most:.0e}: divide the values by a common unit, or use fewer"
    )]
    TooLarge {
        /// Steps it would take.
        steps: f64,
        /// Most that are taken.
        most: f64,
    },
    /// All values of a variable are equal where differences between them are needed.
    #[error("all values are equal: a rank correlation or a slope needs at least two different ones")]
    Constant,
    /// All values are 0 where shares of their sum are needed.
    #[error("the values sum to 0, so that there are no shares of the sum: report that nothing was there instead")]
    ZeroTotal,
}
