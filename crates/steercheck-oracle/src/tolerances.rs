//! How far two results may differ: the table of the oracle's README as data.

use serde::Serialize;

/// The numbers of the README's table. [`Tolerances::default`] has its values, which are those of `oracle.py compare`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tolerances {
    /// Logits, absolute (`--logit-tol`); also the absolute part for hidden vectors.
    pub logit: f64,
    /// `hidden`, `final`, `mean`, `theta`, `fv`: share of the largest magnitude in the vector (last axis), added to `logit`.
    pub vector_relative: f64,
    /// Probabilities, absolute (`--prob-tol`).
    pub probability: f64,
    /// Probabilities, share of the value, where that is less than `probability`.
    pub probability_relative: f64,
    /// Probabilities, added to either.
    pub probability_floor: f64,
    /// CIE, absolute (`--delta-tol`).
    pub cie: f64,
    /// CIE, share of its size, added.
    pub cie_relative: f64,
    /// Logit margin under which the golden's best two tokens count as tied.
    pub top1_tie: f64,
    /// `DoLa` scores and log-probabilities, per token (`--score-tol`); also the mask margin that counts as tied.
    pub score: f64,
    /// The same, share of the magnitude, added.
    pub score_relative: f64,
    /// `DoLa` divergences, share of the value.
    pub divergence_relative: f64,
    /// `DoLa` divergences, added.
    pub divergence_floor: f64,
    /// Share of the largest divergence within which the golden's best two layers count as tied.
    pub layer_tie: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self {
            logit: 1e-3,
            vector_relative: 1e-4,
            probability: 1e-4,
            probability_relative: 1e-2,
            probability_floor: 1e-7,
            cie: 1e-5,
            cie_relative: 1e-2,
            top1_tie: 1e-3,
            score: 2e-3,
            score_relative: 1e-5,
            divergence_relative: 1e-3,
            divergence_floor: 1e-9,
            layer_tie: 1e-3,
        }
    }
}

/// How a quantity is compared. The quantity is the last part of a tensor's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Equal, or tied by the `margin` beside it.
    Top1,
    /// Between `rank_lo` and `rank_hi` beside it.
    Rank,
    /// Close, see [`Tolerances::probability`].
    Probability,
    /// Close, see [`Tolerances::cie`].
    Cie,
    /// Equal.
    Equal,
    /// Close, see [`Tolerances::logit`].
    Logits,
    /// Close, see [`Tolerances::vector_relative`].
    Vector,
    /// Equal, or tied by the `div` beside it.
    Layer,
    /// Close, see [`Tolerances::score`]; only where the other result chose the same layer.
    ScoreOfLayer,
    /// Close, see [`Tolerances::score`].
    Score,
    /// Equal, or tied by the `mask_margin` beside it.
    Masked,
    /// Close, see [`Tolerances::divergence_relative`].
    Divergence,
    /// Close, see [`Tolerances::score`] times tokens; only where layers and masks agree.
    Totals,
    /// Must be there in the same shape; its values only serve to judge others.
    Present,
    /// Not looked at: timings, and values that only serve to judge others.
    Ignored,
}

impl Rule {
    /// The rule of a quantity; none if the quantity is unknown.
    pub(crate) fn of(quantity: &str) -> Option<Self> {
        Some(match quantity {
            "top1" | "clean_top1" => Self::Top1,
            "rank" | "clean_rank" => Self::Rank,
            "prob" | "clean_prob" | "top_prob" | "clean" => Self::Probability,
            "delta" => Self::Cie,
            "heads" | "layers" => Self::Equal,
            "logits" => Self::Logits,
            "hidden" | "final" | "mean" | "fv" | "theta" => Self::Vector,
            "layer" => Self::Layer,
            "score" => Self::ScoreOfLayer,
            "base" | "score_all" => Self::Score,
            "masked" => Self::Masked,
            "div" => Self::Divergence,
            "totals" => Self::Totals,
            "mask_margin" => Self::Present,
            "seconds" | "margin" | "clean_margin" | "rank_lo" | "rank_hi" | "clean_rank_lo" | "clean_rank_hi" => {
                Self::Ignored
            }
            _ => return None,
        })
    }

    /// What is to be said of values that break the rule.
    pub(crate) fn broken(self) -> &'static str {
        match self {
            Self::Top1 | Self::Layer => "differ beyond a tie",
            Self::Masked => "differ beyond the margin",
            Self::Rank => "are outside the tie interval",
            _ => "differ",
        }
    }

    /// What is allowed, for people.
    pub(crate) fn allowed(self, by: &Tolerances) -> String {
        match self {
            Self::Top1 => format!("equal, or margin < {:e}", by.top1_tie),
            Self::Rank => "in [rank_lo, rank_hi]".to_owned(),
            Self::Probability => {
                format!("min({:e}, {:e} of it) + {:e}", by.probability, by.probability_relative, by.probability_floor)
            }
            Self::Cie => format!("{:e} + {:e} of it", by.cie, by.cie_relative),
            Self::Equal => "equal".to_owned(),
            Self::Logits => format!("{:e}", by.logit),
            Self::Vector => format!("{:e} + {:e} of largest", by.logit, by.vector_relative),
            Self::Layer => format!("equal, or div within {:e}", by.layer_tie),
            Self::ScoreOfLayer | Self::Score => {
                format!("{:e} + {:e} of it", by.score, by.score_relative)
            }
            Self::Masked => format!("equal, or margin <= {:e}", by.score),
            Self::Divergence => format!("{:e} of it + {:e}", by.divergence_relative, by.divergence_floor),
            Self::Totals => format!("{:e} per token + {:e} of it", by.score, by.score_relative),
            Self::Present | Self::Ignored => "not compared".to_owned(),
        }
    }
}
