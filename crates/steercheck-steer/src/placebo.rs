//! Controls that look like the method and should do nothing for the task.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A direction drawn uniformly from the unit sphere: `width` numbers of Euclidean norm 1. The same seed gives the same
/// direction.
pub fn random_direction(width: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out: Vec<f64> = Vec::with_capacity(width + 1);
    // Box and Muller 1958: independent normals have no preferred direction.
    while out.len() < width {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        let radius = (-2.0 * u.ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * v;
        out.extend([radius * angle.cos(), radius * angle.sin()]);
    }
    out.truncate(width);
    let norm = out.iter().map(|x| x * x).sum::<f64>().sqrt();
    out.iter().map(|x| (x / norm) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::random_direction;

    #[test]
    fn directions_have_norm_one_and_differ_by_seed_alone() {
        let a = random_direction(577, 1);
        assert_eq!(a, random_direction(577, 1));
        let norm: f32 = a.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5, "{norm}");
        let dot: f32 = a.iter().zip(random_direction(577, 2)).map(|(x, y)| x * y).sum();
        assert!(dot.abs() < 0.3, "{dot}");
    }
}
