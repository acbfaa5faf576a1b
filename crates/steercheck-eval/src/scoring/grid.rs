//! The grid of `DoLa`'s configurations: methods.md §1.

use std::sync::Arc;

use steercheck_steer::dola::{Choice, Config, Measure, bucket};

use crate::record::{Setting, Value};

/// α of the study.
pub const ALPHAS: [f64; 6] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9];
/// Models above so many parameters have the buckets that the study gives to 70 billion.
const LARGE: u64 = 27_000_000_000;

/// The layers that one of them is chosen from, as shares of the depth.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// `0.5-1`.
    pub name: String,
    /// Premature residuals, ascending.
    pub layers: Arc<[usize]>,
}

/// The study's buckets for a model of this depth and size; those without layers are left out.
pub fn buckets(depth: usize, parameters: u64) -> Vec<Bucket> {
    let shares: [(f64, f64); 4] = if parameters > LARGE {
        [(0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)]
    } else {
        [(0.0, 0.5), (0.25, 0.75), (0.5, 1.0), (0.0, 1.0)]
    };
    let one = |(from, to): (f64, f64)| Bucket { name: format!("{from}-{to}"), layers: bucket(depth, from, to).into() };
    shares.map(one).into_iter().filter(|b| !b.layers.is_empty()).collect()
}

/// A configuration with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct GridPoint {
    /// `alpha`, `bucket`, `post-softmax`.
    pub setting: Setting,
    /// What is computed.
    pub config: Config,
}

/// Every bucket with every α, with the log-softmax of the contrast and without: buckets outermost, α innermost.
pub fn grid(buckets: &[Bucket], alphas: &[f64], measure: Measure) -> Vec<GridPoint> {
    let mut out = Vec::with_capacity(2 * buckets.len() * alphas.len());
    for post_softmax in [true, false] {
        for bucket in buckets {
            out.extend(alphas.iter().map(|alpha| point(bucket, *alpha, post_softmax, measure)));
        }
    }
    out
}

fn point(bucket: &Bucket, alpha: f64, post_softmax: bool, measure: Measure) -> GridPoint {
    let text = |text: &str| Value::Text(text.to_owned());
    GridPoint {
        setting: Setting::default()
            .with("bucket", text(&bucket.name))
            .with("alpha", Value::Number(alpha))
            .with("post-softmax", text(if post_softmax { "yes" } else { "no" })),
        config: Config { alpha, candidates: bucket.layers.clone(), choice: Choice::Largest(measure), post_softmax },
    }
}

/// All layers of some configurations, ascending.
pub fn layers<'a>(configs: impl IntoIterator<Item = &'a Config>) -> Vec<usize> {
    let mut all = std::collections::BTreeSet::new();
    for config in configs {
        all.extend(config.candidates.iter().copied());
        if let Choice::Fixed(layers) = &config.choice {
            all.extend(layers.iter().copied());
        }
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use steercheck_steer::dola::Measure;

    use super::{ALPHAS, buckets, grid, layers};

    #[test]
    fn the_grid_is_the_studys() {
        let all = buckets(30, 135_000_000);
        assert_eq!(all.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["0-0.5", "0.25-0.75", "0.5-1", "0-1"]);
        let grid = grid(&all, &ALPHAS, Measure::Paper);
        assert_eq!(grid.len(), 48);
        assert_eq!(grid[0].setting.to_string(), "alpha 0, bucket 0-0.5, post-softmax yes");
        let layers = layers(grid.iter().map(|g| &g.config));
        assert!(layers.len() == 27 && layers[26] == 29 && !layers.contains(&5), "{layers:?}");
        assert_eq!(buckets(80, 70_000_000_000)[3].name, "0.75-1");
        assert_eq!(buckets(2, 1000).len(), 4);
    }
}
