//! How much a continuation repeats itself.

use std::collections::BTreeSet;

/// Tokens of a phrase.
const PHRASE: usize = 4;

/// Share of the 4-grams of a text that occurred before in it: 1 − distinct / all, seq-rep-4 of Welleck et al. 2020
/// (arXiv 1908.04319). 0 for a text of fewer than four tokens.
pub fn repetition_rate(tokens: &[u32]) -> f64 {
    let all = tokens.windows(PHRASE).len();
    if all == 0 {
        return 0.0;
    }
    let distinct: BTreeSet<&[u32]> = tokens.windows(PHRASE).collect();
    1.0 - distinct.len() as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::repetition_rate;

    #[test]
    fn phrases_of_four_are_counted_once_they_occur_again() {
        let near = |tokens: &[u32], want: f64| {
            let got = repetition_rate(tokens);
            assert!((got - want).abs() < 1e-15, "{tokens:?}: {got}");
        };
        near(&[], 0.0);
        near(&[1, 1, 1], 0.0);
        near(&[1, 2, 3, 4], 0.0);
        // Five times the same of five.
        near(&[7; 8], 0.8);
        // 1234 2341 3412 4123 1234 2341 3412: four distinct of seven.
        near(&[1, 2, 3, 4, 1, 2, 3, 4, 1, 2], 3.0 / 7.0);
        near(&(0..24).collect::<Vec<u32>>(), 0.0);
    }
}
