/// The non-decreasing sequence closest to `values` (`[n]`) in squares: pool adjacent violators, equal weights.
///
/// Neighbours that violate the order are replaced by their mean, until none does. R. E. Barlow, D. J. Bartholomew, J.
/// M. Bremner and H. D. Brunk, *Statistical Inference under Order Restrictions* (1972), section 1.2. NaN stays where it
/// is and separates what is before and after it.
pub fn isotonic(values: &[f64]) -> Vec<f64> {
    // Each block: mean, length.
    let mut blocks: Vec<(f64, usize)> = Vec::with_capacity(values.len());
    for &value in values {
        let mut block = (value, 1);
        while let Some(&(mean, length)) = blocks.last().filter(|(mean, _)| *mean > block.0) {
            let total = length + block.1;
            // A step towards the other mean cannot leave the range of the two, as a quotient of sums can.
            block = (mean + (block.0 - mean) * (block.1 as f64 / total as f64), total);
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(mean, length)| std::iter::repeat_n(mean, length)).collect()
}
