//! Seeded sampling. Every draw has its own ChaCha stream, named by what it is for, so that no draw depends on how many
//! came before it.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The generator for one purpose.
pub fn stream(seed: u64, purpose: &str, index: usize) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"steercheck sample 1\n");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&(index as u64).to_le_bytes());
    hasher.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// A number for methods that take a seed of their own.
pub fn derived_seed(seed: u64, purpose: &str, index: usize) -> u64 {
    use rand::Rng;
    stream(seed, purpose, index).next_u64()
}

/// A permutation of `0..n`.
pub fn permutation(n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(rng);
    order
}

/// `k` different members of `pool`, in random order.
pub fn draw(pool: &[usize], k: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    permutation(pool.len(), rng).into_iter().take(k).map(|i| pool[i]).collect()
}
