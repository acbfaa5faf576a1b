//! The published splits: scikit-learn's `train_test_split`, twice, with `NumPy`'s generator.

use rand_mt::Mt;

/// Share of the items that is not train, and share of those that is not test.
const REST: f64 = 0.3;

/// Indices of train, validation and test items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublishedSplit {
    pub(super) train: Vec<usize>,
    pub(super) valid: Vec<usize>,
    pub(super) test: Vec<usize>,
}

impl PublishedSplit {
    /// 70 % train, 9 % validation, 21 % test of so many items, in the order in which the published code has them.
    pub(super) fn new(items: usize, seed: u32) -> Self {
        let all: Vec<usize> = (0..items).collect();
        let (train, rest) = train_test_split(&all, seed);
        let (test, valid) = train_test_split(&rest, seed);
        Self { train, valid, test }
    }
}

/// `sklearn.model_selection.train_test_split(items, test_size=0.3, random_state=seed)`: the first ⌈0.3 n⌉ of a permutation are test, what
/// follows is train.
fn train_test_split(items: &[usize], seed: u32) -> (Vec<usize>, Vec<usize>) {
    let order = permutation(items.len(), seed);
    let test = (REST * items.len() as f64).ceil() as usize;
    let pick = |indices: &[usize]| indices.iter().map(|i| items[*i]).collect();
    (pick(&order[test..]), pick(&order[..test]))
}

/// `numpy.random.RandomState(seed).permutation(n)`: Fisher–Yates from the end, each draw by rejection under a mask.
fn permutation(n: usize, seed: u32) -> Vec<usize> {
    let mut rng = Mt::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let mask = u32::MAX >> (i as u32).leading_zeros();
        let j = loop {
            let draw = (rng.next_u32() & mask) as usize;
            if draw <= i {
                break draw;
            }
        };
        order.swap(i, j);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::PublishedSplit;

    // Made with numpy 2.4.6 and scikit-learn 1.9.1:
    //     train, rest = train_test_split(list(range(n)), test_size=0.3, random_state=seed)
    //     test, valid = train_test_split(rest, test_size=0.3, random_state=seed)
    #[test]
    fn splits_are_those_of_scikit_learn() {
        let small = PublishedSplit::new(23, 42);
        assert_eq!(small.train, [13, 5, 2, 11, 20, 3, 4, 18, 16, 21, 22, 7, 10, 14, 19, 6]);
        assert_eq!((&small.valid[..], &small.test[..]), (&[15, 9, 12][..], &[0, 17, 8, 1][..]));
        // country-capital, of which there are 42 published test items.
        let capitals = PublishedSplit::new(197, 0);
        assert_eq!(capitals.test.len(), 42);
        assert_eq!(capitals.test[..12], [194, 125, 137, 108, 45, 30, 129, 40, 16, 167, 60, 176]);
        assert_eq!(capitals.train[..6], [112, 19, 150, 89, 54, 160]);
        // antonym.
        let antonyms = PublishedSplit::new(2396, 0);
        assert_eq!((antonyms.train.len(), antonyms.valid.len(), antonyms.test.len()), (1677, 216, 503));
        assert_eq!(antonyms.test[500..], [648, 532, 1000]);
        assert_eq!(antonyms.valid[..5], [735, 118, 1455, 2221, 1840]);
    }
}
