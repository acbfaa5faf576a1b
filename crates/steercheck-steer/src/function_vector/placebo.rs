//! The `random-heads` placebo.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use steercheck_model::Head;

use super::HeadSite;

/// As many heads of every block as `chosen` has there, drawn from the block's others; where it has too few others, all of those and some of
/// the chosen.
pub fn random_heads(chosen: &[HeadSite], heads: usize, seed: u64) -> Vec<HeadSite> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut by_block: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
    for (block, head) in chosen {
        by_block.entry(*block).or_default().insert(head.0);
    }
    let mut out = Vec::with_capacity(chosen.len());
    for (block, taken) in by_block {
        let mut others: Vec<usize> = (0..heads).filter(|h| !taken.contains(h)).collect();
        let mut taken: Vec<usize> = taken.into_iter().collect();
        let n = taken.len();
        others.shuffle(&mut rng);
        taken.shuffle(&mut rng);
        out.extend(others.into_iter().chain(taken).take(n).map(|h| (block, Head(h))));
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use steercheck_model::{Block, Head};

    use super::random_heads;

    #[test]
    fn other_heads_of_the_same_blocks_are_drawn_as_far_as_there_are_any() {
        let chosen = [(Block(2), Head(0)), (Block(2), Head(3)), (Block(5), Head(1))];
        let drawn = random_heads(&chosen, 9, 4);
        assert_eq!(drawn, random_heads(&chosen, 9, 4));
        assert_ne!(drawn, random_heads(&chosen, 9, 5));
        let blocks: Vec<usize> = drawn.iter().map(|(b, _)| b.0).collect();
        assert_eq!(blocks, [2, 2, 5]);
        assert!(drawn.iter().all(|site| !chosen.contains(site)), "{drawn:?}");
        let most: Vec<_> = [0, 1, 2].map(|h| (Block(1), Head(h))).into();
        let drawn: BTreeSet<_> = random_heads(&most, 4, 1).into_iter().map(|(_, h)| h.0).collect();
        assert!(drawn.len() == 3 && drawn.contains(&3), "{drawn:?}");
    }
}
