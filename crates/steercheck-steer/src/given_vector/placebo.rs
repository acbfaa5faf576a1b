//! Controls of a given vector: as long as it, at the same places, without its meaning.
//!
//! A file with a direction for each of many blocks moves the stream further than any of them, since what one block adds
//! the next ones keep. Random directions that knew nothing of each other would partly cancel out and move it less. So both controls keep the
//! angles between the directions, not their lengths alone.

use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::GivenVector;
use crate::placebo::random_direction;

/// What remains of a vector's norm, relative to it, when the part within others is taken out and only rounding is left.
const ROUNDING: f64 = 1e-6;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The part of `v` outside of the orthonormal `basis`, and its coordinates within.
fn outside(v: &mut [f64], basis: &[Vec<f64>]) -> Vec<f64> {
    let mut coordinates = vec![0.0; basis.len()];
    // Twice is enough (Giraud, Langou and Rozložník 2005): the first round leaves a trace where v lies almost within.
    for _ in 0..2 {
        for (e, coordinate) in basis.iter().zip(&mut coordinates) {
            let c = dot(v, e);
            v.iter_mut().zip(e).for_each(|(x, y)| *x -= c * y);
            *coordinate += c;
        }
    }
    coordinates
}

/// `v` as a further member of `basis`, unless it lies within; its coordinates.
fn extend(basis: &mut Vec<Vec<f64>>, mut v: Vec<f64>) -> Vec<f64> {
    let before = dot(&v, &v).sqrt();
    let mut coordinates = outside(&mut v, basis);
    let after = dot(&v, &v).sqrt();
    if after > ROUNDING * before {
        basis.push(v.iter().map(|x| x / after).collect());
        coordinates.push(after);
    }
    coordinates
}

impl GivenVector {
    /// The `zero` placebo: the same edits at strength 0. Must leave the baseline as it is, bit for bit.
    #[must_use]
    pub fn zero(&self) -> Self {
        self.scaled(0.0)
    }

    /// The `random-direction` placebo: all directions turned together by a random rotation. Each becomes a uniformly random
    /// direction of the same norm.
    #[must_use]
    pub fn random_direction(&self, seed: u64) -> Self {
        let mut seeds = ChaCha8Rng::seed_from_u64(seed);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let directions = self.directions.iter().map(|(residual, vector)| {
            let coordinates = extend(&mut here, vector.iter().map(|x| f64::from(*x)).collect());
            // As many random directions as the vectors span, made orthonormal: where the rotation takes their basis.
            while there.len() < here.len() {
                let drawn = random_direction(vector.len(), seeds.next_u64());
                extend(&mut there, drawn.iter().map(|x| f64::from(*x)).collect());
            }
            let mut turned = vec![0.0; vector.len()];
            for (c, e) in coordinates.iter().zip(&there) {
                turned.iter_mut().zip(e).for_each(|(x, y)| *x += c * y);
            }
            (*residual, turned.iter().map(|x| *x as f32).collect::<Arc<[f32]>>())
        });
        Self { directions: directions.collect(), ..self.clone() }
    }

    /// The `permuted` placebo: the entries in a random order, the same one for every direction. Norms and the distribution of
    /// the entries stay, so that a vector which works by a few huge entries alone is told from one whose direction matters.
    #[must_use]
    pub fn permuted(&self, seed: u64) -> Self {
        let width = self.directions.first().map_or(0, |(_, v)| v.len());
        let mut order: Vec<usize> = (0..width).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let permuted = |v: &Arc<[f32]>| order.iter().filter_map(|i| v.get(*i).copied()).collect::<Arc<[f32]>>();
        Self { directions: self.directions.iter().map(|(b, v)| (*b, permuted(v))).collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::given_vector::GivenVector;
    use crate::placebo::random_direction;

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    }

    /// Related directions, two of them dependent on others, one with a huge entry.
    fn vector() -> GivenVector {
        let base = random_direction(64, 1);
        let mut directions: Vec<(usize, Arc<[f32]>)> = Vec::new();
        for b in 2..7_u64 {
            let own = random_direction(64, b + 100);
            directions.push((b as usize, base.iter().zip(own).map(|(x, y)| 3.0 * x + b as f32 * y).collect()));
        }
        directions.push((9, base.iter().map(|x| x * 5.0).collect()));
        directions.push((10, base.iter().map(|x| x * -2.0).collect()));
        directions.push((11, (0..64).map(|i| if i == 7 { 1e4 } else { 0.01 * i as f32 }).collect()));
        GivenVector { directions, strength: 1.5, notes: Vec::new() }
    }

    fn close(a: &GivenVector, b: &GivenVector) {
        for (i, (residual, v)) in a.directions.iter().enumerate() {
            assert_eq!((*residual, a.strength), (b.directions[i].0, b.strength));
            for (j, (_, w)) in a.directions.iter().enumerate() {
                let scale = (dot(v, v) * dot(w, w)).sqrt();
                let (x, y) = (dot(v, w), dot(&b.directions[i].1, &b.directions[j].1));
                assert!((x - y).abs() < 1e-5 * scale, "{i} {j}: {x} {y}");
            }
        }
    }

    #[test]
    fn both_controls_keep_norms_and_angles_and_nothing_else() {
        let vector = vector();
        for control in [vector.random_direction(3), vector.permuted(3)] {
            close(&vector, &control);
            for ((_, v), (_, w)) in vector.directions.iter().zip(&control.directions).take(6) {
                assert!(dot(v, w).abs() < 0.5 * dot(v, v), "it points where it did");
            }
        }
        assert_eq!(vector.random_direction(3), vector.random_direction(3));
        assert_eq!(vector.permuted(3), vector.permuted(3));
        assert_ne!(vector.random_direction(3).directions, vector.random_direction(4).directions);
        assert_ne!(vector.permuted(3).directions, vector.permuted(4).directions);
    }

    #[test]
    fn a_permuted_vector_has_the_same_entries() {
        let sorted = |v: &[f32]| {
            let mut out = v.to_vec();
            out.sort_by(f32::total_cmp);
            out
        };
        let vector = vector();
        for ((_, v), (_, w)) in vector.directions.iter().zip(&vector.permuted(5).directions) {
            assert_eq!(sorted(v), sorted(w));
        }
    }

    #[test]
    fn one_vector_becomes_a_uniformly_random_direction_of_its_norm() {
        let alone = |v: Vec<f32>| GivenVector { directions: vec![(3, v.into())], strength: 1.0, notes: Vec::new() };
        let mut mean = [0f64; 8];
        for seed in 0..2000 {
            let control = alone(vec![0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 3.0]).random_direction(seed);
            let v = &control.directions[0].1;
            assert!((dot(v, v) - 25.0).abs() < 1e-4);
            mean.iter_mut().zip(v.iter()).for_each(|(m, x)| *m += f64::from(*x).powi(2) / 2000.0);
        }
        // Each coordinate has a mean square of 25 / 8; the mean of 2000 has a standard deviation of about 0.09.
        assert!(mean.iter().all(|m| (m - 25.0 / 8.0).abs() < 0.45), "{mean:?}");
    }

    #[test]
    fn more_directions_than_dimensions_are_turned_too() {
        let directions = (0..9).map(|b| (b, random_direction(4, b as u64).into())).collect();
        let vector = GivenVector { directions, strength: 1.0, notes: Vec::new() };
        close(&vector, &vector.random_direction(1));
        let tiny = GivenVector { directions: vec![(1, vec![-2.0].into())], strength: 1.0, notes: Vec::new() };
        assert!((tiny.random_direction(1).directions[0].1[0].abs() - 2.0).abs() < 1e-6);
    }
}
