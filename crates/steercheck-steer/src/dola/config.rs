//! What is chosen and scored once a position's layers are compared: the whole grid is arithmetic on a few numbers per layer.

use std::sync::Arc;

use super::score::TokenScores;

/// How far a premature distribution is from the mature one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Measure {
    /// ½ (KL(M ‖ P) + KL(M ‖ Q)): what the published code computes.
    #[default]
    Paper,
    /// Jensen–Shannon divergence, as the original paper defines it. Saturates at ln 2 where the distributions hardly overlap.
    Jsd,
}

/// Which candidate a token's distribution is contrasted with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The one that diverges most, the first on ties.
    Largest(Measure),
    /// The i-th candidate for token t: `Fixed(layers)[t]` or, beyond its end, the last. A static layer has one entry.
    Fixed(Arc<[usize]>),
}

/// One point of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Tokens below α times the largest mature probability are masked; 0 masks none.
    pub alpha: f64,
    /// Premature residuals, ascending, of those that were scored.
    pub candidates: Arc<[usize]>,
    /// Which of them.
    pub choice: Choice,
    /// Whether ln p − ln q goes through a log-softmax.
    pub post_softmax: bool,
}

/// A token's score under one configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The premature residual.
    pub layer: usize,
    /// ln p − ln q, through the log-softmax where that is asked, in nats. Not masked.
    pub score: f64,
    /// ln p minus the mask's threshold; infinite without a mask. Masked below 0.
    pub mask_margin: f64,
    /// Whether the two largest divergences are within 0.1 % of each other, so that the choice is rounding's.
    pub tied: bool,
}

impl Scored {
    /// Whether the token is masked.
    pub fn is_masked(&self) -> bool {
        self.mask_margin < 0.0
    }
}

/// Relative difference of divergences below which a choice is a tie.
const TIE: f64 = 1e-3;

impl Config {
    /// The layer for a token and its score there. `index` is the token's place in its continuation. `None` if there are no
    /// candidates, or one was not scored.
    pub fn score(&self, token: &TokenScores<'_>, index: usize) -> Option<Scored> {
        let (layer, tied) = match &self.choice {
            Choice::Fixed(layers) => (*layers.get(index).or(layers.last())?, false),
            Choice::Largest(measure) => self.largest(token, *measure)?,
        };
        let at = token.layer(layer)?;
        let score = token.log_p - at.log_q - if self.post_softmax { at.normaliser } else { 0.0 };
        let mask_margin = if self.alpha > 0.0 { token.log_p - (token.most + self.alpha.ln()) } else { f64::INFINITY };
        Some(Scored { layer, score, mask_margin, tied })
    }

    fn largest(&self, token: &TokenScores<'_>, measure: Measure) -> Option<(usize, bool)> {
        let (mut best, mut second, mut layer) = (f64::NEG_INFINITY, f64::NEG_INFINITY, None);
        for candidate in self.candidates.iter() {
            let at = token.layer(*candidate)?;
            let value = match measure {
                Measure::Paper => at.paper,
                Measure::Jsd => at.jsd,
            };
            if value > best {
                (second, best, layer) = (best, value, Some(*candidate));
            } else if value > second {
                second = value;
            }
        }
        Some((layer?, best - second <= TIE * best.abs()))
    }
}

/// The residuals of a bucket [a, b] of a model's depth L: every second one of int(a·L)..=int(b·L), without L (methods.md §1).
pub fn bucket(depth: usize, from: f64, to: f64) -> Vec<usize> {
    let at = |share: f64| (share * depth as f64) as usize;
    (at(from)..=at(to)).step_by(2).filter(|layer| *layer < depth).collect()
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn buckets_are_the_published_ones() {
        assert_eq!(bucket(32, 0.0, 0.5), (0..=16).step_by(2).collect::<Vec<_>>());
        assert_eq!(bucket(32, 0.5, 1.0), (16..32).step_by(2).collect::<Vec<_>>());
        assert_eq!(bucket(30, 0.25, 0.75), (7..=22).step_by(2).collect::<Vec<_>>());
        assert_eq!(bucket(30, 0.5, 1.0), (15..=29).step_by(2).collect::<Vec<_>>());
        assert_eq!(bucket(4, 0.0, 1.0), [0, 2]);
    }
}
