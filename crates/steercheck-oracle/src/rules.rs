//! The rules themselves, applied to one tensor of both results.

use crate::tally::Tally;
use crate::tensors::{Array, TensorFile, Values};
use crate::tolerances::{Rule, Tolerances};

/// The two results, and how far they may differ.
pub(crate) struct Files<'a> {
    pub(crate) golden: &'a TensorFile,
    pub(crate) other: &'a TensorFile,
    pub(crate) tolerances: &'a Tolerances,
}

/// A tensor of both results, of the same shape and dtype, and the files around it.
pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    pub(crate) golden: &'a Array,
    pub(crate) other: &'a Array,
    pub(crate) files: &'a Files<'a>,
}

impl Case<'_> {
    /// Compares all values. An error says why that cannot be done.
    pub(crate) fn tally(&self, rule: Rule) -> Result<Tally, String> {
        let by = self.files.tolerances;
        match rule {
            Rule::Top1 => {
                let margins = self.beside(&self.sibling("top1", "margin"), &self.golden.shape)?;
                let (limit, margins) = (in_precision(margins, by.top1_tie), margins.values.to_f64());
                self.choices(|at, golden, other| golden == other || margins[at] < limit)
            }
            Rule::Rank => {
                let low = integers(self.beside(&self.sibling("rank", "rank_lo"), &self.golden.shape)?)?;
                let high = integers(self.beside(&self.sibling("rank", "rank_hi"), &self.golden.shape)?)?;
                self.choices(|at, _, other| (low[at]..=high[at]).contains(&other))
            }
            Rule::Layer => {
                let tied = self.tied_layers()?;
                self.choices(|at, golden, other| golden == other || tied[at])
            }
            Rule::Masked => {
                let margins = self.beside(&self.sibling("masked", "mask_margin"), &self.golden.shape)?;
                let (limit, margins) = (in_precision(margins, by.score), margins.values.to_f64());
                self.choices(|at, golden, other| golden == other || margins[at].abs() <= limit)
            }
            Rule::Equal => self.choices(|_, golden, other| golden == other),
            Rule::Logits => Ok(self.numbers(|_, _| Some(by.logit))),
            Rule::Vector => {
                let (width, scales) = largest_in_vectors(self.golden);
                Ok(self.numbers(|at, _| Some(by.logit + by.vector_relative * scales[at / width])))
            }
            Rule::Probability => Ok(self.numbers(|_, golden| Some(self.probability(golden)))),
            Rule::Cie => Ok(self.numbers(|_, golden| Some(self.linear(by.cie, by.cie_relative, golden)))),
            Rule::Divergence => {
                Ok(self.numbers(|_, golden| Some(self.linear(by.divergence_floor, by.divergence_relative, golden))))
            }
            Rule::Score => Ok(self.numbers(|_, golden| Some(self.linear(by.score, by.score_relative, golden)))),
            Rule::ScoreOfLayer => {
                let same = self.same_layers()?;
                Ok(self.numbers(|at, golden| same[at].then(|| self.linear(by.score, by.score_relative, golden))))
            }
            Rule::Totals => {
                let (width, tokens) = self.tokens_behind_totals()?;
                Ok(self.numbers(|at, golden| {
                    tokens[at / width].map(|tokens| self.linear(by.score * tokens as f64, by.score_relative, golden))
                }))
            }
            Rule::Present | Rule::Ignored => Ok(Tally::default()),
        }
    }

    /// Compares integers; `acceptable` gets the place, the golden value and the other.
    fn choices(&self, acceptable: impl Fn(usize, i64, i64) -> bool) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for (at, (golden, other)) in integers(self.golden)?.into_iter().zip(integers(self.other)?).enumerate() {
            tally.choice(at, golden, other, acceptable(at, golden, other));
        }
        Ok(tally)
    }

    /// Compares numbers; `allowed` gets the place and the golden value, and answers none for a place that is left out.
    fn numbers(&self, allowed: impl Fn(usize, f64) -> Option<f64>) -> Tally {
        let mut tally = Tally::default();
        for (at, (golden, other)) in self.golden.values.to_f64().into_iter().zip(self.other.values.to_f64()).enumerate()
        {
            if let Some(allowed) = allowed(at, golden) {
                tally.number(at, golden, other, allowed);
            }
        }
        tally
    }

    /// absolute + relative · |golden|, in the golden's precision.
    fn linear(&self, absolute: f64, relative: f64, golden: f64) -> f64 {
        if matches!(self.golden.values, Values::F32(_)) {
            f64::from(absolute as f32 + relative as f32 * (golden as f32).abs())
        } else {
            absolute + relative * golden.abs()
        }
    }

    /// The lesser of absolute and relative · |golden|, plus the floor, in the golden's precision.
    fn probability(&self, golden: f64) -> f64 {
        let Tolerances { probability, probability_relative, probability_floor, .. } = *self.files.tolerances;
        if matches!(self.golden.values, Values::F32(_)) {
            let share = probability_relative as f32 * (golden as f32).abs();
            f64::from(share.min(probability as f32) + probability_floor as f32)
        } else {
            (probability_relative * golden.abs()).min(probability) + probability_floor
        }
    }

    /// Per token, whether the golden's best two divergences are within a tie.
    fn tied_layers(&self) -> Result<Vec<bool>, String> {
        let name = self.sibling("layer", "div");
        let div = self.files.golden.get(&name).filter(|div| {
            div.is_consistent() && div.shape.len() == 2 && div.shape[..1] == self.golden.shape[..] && div.shape[1] > 0
        });
        let div = div.ok_or_else(|| format!("the golden lacks {name} with one row per token"))?;
        let by = self.files.tolerances.layer_tie;
        Ok(div.values.to_f64().chunks(div.shape[1]).map(|row| tied_best(row, by)).collect())
    }

    /// Per token, whether the other result chose the golden's layer.
    fn same_layers(&self) -> Result<Vec<bool>, String> {
        let name = self.sibling("score", "layer");
        let golden = self.beside(&name, &self.golden.shape)?;
        let other = self.files.other.get(&name).unwrap_or(golden);
        let golden = integers(golden)?;
        let other = other.values.to_i64().unwrap_or_default();
        if other.len() != golden.len() {
            // The layers themselves fail for that.
            return Ok(vec![false; golden.len()]);
        }
        Ok(golden.iter().zip(&other).map(|(golden, other)| golden == other).collect())
    }

    /// Length of the last axis, and per (pair, configuration) the number of tokens, or none where the other result chose
    /// another layer or another mask.
    fn tokens_behind_totals(&self) -> Result<(usize, Vec<Option<usize>>), String> {
        let [pairs, configs, width] = self.golden.shape[..] else {
            return Err(format!("the shape {:?} is not [pairs, configs, 4]", self.golden.shape));
        };
        let mut tokens = Vec::with_capacity(pairs.saturating_mul(configs).min(self.golden.values.len()));
        if width > 0 {
            for cell in 0..pairs * configs {
                tokens.push(self.tokens_where_agreed(cell / configs, cell % configs)?);
            }
        }
        Ok((width, tokens))
    }

    fn tokens_where_agreed(&self, pair: usize, config: usize) -> Result<Option<usize>, String> {
        let Files { golden, other, .. } = self.files;
        let named = |quantity: &str| self.sibling("totals", &format!("{pair}.{config}/{quantity}"));
        let lacking = |name: String| format!("the golden lacks {name}");
        let mut agreed = true;
        for quantity in ["layer", "masked"] {
            let name = named(quantity);
            let expected = golden.get(&name).ok_or_else(|| lacking(name.clone()))?;
            agreed &= other.get(&name).is_none_or(|got| got == expected);
        }
        let name = named("score");
        let score = golden.get(&name).ok_or_else(|| lacking(name))?;
        Ok(agreed.then_some(score.values.len()))
    }

    /// This tensor's name, its ending replaced.
    fn sibling(&self, ending: &str, by: &str) -> String {
        format!("{}{by}", self.name.strip_suffix(ending).unwrap_or(self.name))
    }

    /// The golden tensor of a name, in the expected shape.
    fn beside(&self, name: &str, shape: &[usize]) -> Result<&Array, String> {
        let found = self.files.golden.get(name).filter(|array| array.shape == shape && array.is_consistent());
        found.ok_or_else(|| format!("the golden lacks {name} of shape {shape:?}"))
    }
}

fn integers(array: &Array) -> Result<Vec<i64>, String> {
    array.values.to_i64().ok_or_else(|| format!("integers are needed, not {}", array.values.dtype()))
}

/// A limit as torch compares it with values of this array.
fn in_precision(array: &Array, limit: f64) -> f64 {
    if matches!(array.values, Values::F32(_)) { f64::from(limit as f32) } else { limit }
}

/// Length of the last axis, and the largest magnitude in every vector along it.
fn largest_in_vectors(array: &Array) -> (usize, Vec<f64>) {
    let width = array.shape.last().copied().unwrap_or(1);
    let values = array.values.to_f64();
    let largest = |vector: &[f64]| vector.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    (width, values.chunks(width.max(1)).map(largest).collect())
}

/// Whether the best two of several divergences are within a share of the best; not so for a single one or with a NaN.
fn tied_best(row: &[f64], share: f64) -> bool {
    if row.len() < 2 || row.iter().any(|value| value.is_nan()) {
        return false;
    }
    let mut sorted = row.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted[0] - sorted[1] <= share * sorted[0]
}
