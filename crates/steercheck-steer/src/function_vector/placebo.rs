//! The `random-heads` placebo.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use steercheck_model::{Block, Head};

use super::HeadSite;

/// As many heads of every block as `chosen` has there, drawn from the block's others. Where a block has too few others, they come from the
/// nearest blocks that have some left: a head of the chosen ones would carry over what they do. Only if all heads are taken are chosen ones
/// among them. `blocks` and `heads` are the model's.
pub fn random_heads(chosen: &[HeadSite], blocks: usize, heads: usize, seed: u64) -> Vec<HeadSite> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut wanted: BTreeMap<usize, usize> = BTreeMap::new();
    let taken: BTreeSet<HeadSite> = chosen.iter().copied().collect();
    for (block, _) in &taken {
        *wanted.entry(block.0).or_default() += 1;
    }
    let mut others: Vec<Vec<HeadSite>> = (1..=blocks)
        .map(|b| {
            let all = (0..heads).map(|h| (Block(b), Head(h)));
            let mut others: Vec<HeadSite> = all.filter(|site| !taken.contains(site)).collect();
            others.shuffle(&mut rng);
            others
        })
        .collect();
    let mut out = Vec::with_capacity(taken.len());
    let mut missing = Vec::new();
    for (block, n) in wanted {
        let own = &mut others[block - 1];
        let found = n.min(own.len());
        out.extend(own.drain(..found));
        missing.extend(std::iter::repeat_n(block, n - found));
    }
    for block in missing {
        // The nearest block with any left, the lower of two.
        let left = (1..=blocks).filter(|b| !others[b - 1].is_empty());
        if let Some(nearest) = left.min_by_key(|b| b.abs_diff(block)) {
            out.extend(others[nearest - 1].pop());
        }
    }
    let mut again: Vec<HeadSite> = taken.iter().copied().collect();
    again.shuffle(&mut rng);
    out.extend(again.into_iter().take(taken.len() - out.len()));
    out.sort_unstable();
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
        let drawn = random_heads(&chosen, 6, 9, 4);
        assert_eq!(drawn, random_heads(&chosen, 6, 9, 4));
        assert_ne!(drawn, random_heads(&chosen, 6, 9, 5));
        let blocks: Vec<usize> = drawn.iter().map(|(b, _)| b.0).collect();
        assert_eq!(blocks, [2, 2, 5]);
        assert!(drawn.iter().all(|site| !chosen.contains(site)), "{drawn:?}");
        // Block 4 has one other head: the two that are missing come from its neighbours.
        let most: Vec<_> = [0, 1, 2].map(|h| (Block(4), Head(h))).into();
        for seed in 0..20 {
            let drawn = random_heads(&most, 6, 4, seed);
            let distinct: BTreeSet<_> = drawn.iter().collect();
            assert!(drawn.len() == 3 && distinct.len() == 3 && drawn.contains(&(Block(4), Head(3))), "{drawn:?}");
            assert!(drawn.iter().all(|(b, _)| (3..=5).contains(&b.0)), "{drawn:?}");
            assert!(drawn.iter().all(|site| !most.contains(site)), "{drawn:?}");
        }
        // More than half of all heads: what is left, and chosen ones for the rest.
        let all: Vec<_> = (0..3).map(|h| (Block(1), Head(h))).collect();
        assert_eq!(random_heads(&all, 1, 3, 1), all);
        assert!(random_heads(&all, 1, 4, 1).contains(&(Block(1), Head(3))));
    }
}
