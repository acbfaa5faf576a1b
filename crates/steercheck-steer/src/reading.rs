//! Replayed rows and what is read of them, with bounded memory.

use steercheck_model::{FinalNorm, HeadKind, Model, Reading, Receipt, Result, Row};

/// Bytes that the rows of one replay take at most. Batches depend on the work and the model's size alone, never on the machine.
const BATCH_BYTES: u64 = 512 << 20;

/// Replays rows and reads their next-token distributions, all together. `asked` has the tokens to score, one list per row.
pub fn read_rows(model: &Model, rows: &[Row<'_>], asked: &[Vec<u32>]) -> Result<(Vec<Reading>, Vec<Vec<Receipt>>)> {
    let replayed = model.replay(rows)?;
    let readings = model.read(&replayed.top, FinalNorm::Apply, HeadKind::Full, asked)?;
    Ok((readings, replayed.receipts))
}

/// Rows that go through the blocks together, each of which runs the last `suffix` tokens of a prompt of at most `longest`: as many as fit
/// half a gigabyte.
pub fn rows_at_once(model: &Model, longest: usize, suffix: usize) -> usize {
    let bytes = |rows: usize| match suffix {
        1 => model.rows_bytes(rows, longest),
        _ => model.suffixes_bytes(rows, suffix, longest),
    };
    // Two sizes, since part of the memory does not grow with the rows.
    let each = (bytes(2048) - bytes(1024)).div_ceil(1024).max(1);
    let fixed = bytes(1024).saturating_sub(1024 * each);
    (BATCH_BYTES.saturating_sub(fixed) / each).max(1) as usize
}

/// As [`read_rows`] for any number of rows, made a batch at a time: `row(i)` is the i-th of `count` with the tokens to score, and runs the
/// last `suffix` tokens of a prompt of at most `longest`. `keep` is given every row's index, reading and receipts, in order.
pub fn read_in_batches<'a>(
    model: &Model,
    count: usize,
    longest: usize,
    suffix: usize,
    mut row: impl FnMut(usize) -> Result<(Row<'a>, Vec<u32>)>,
    mut keep: impl FnMut(usize, Reading, Vec<Receipt>) -> Result<()>,
) -> Result<()> {
    let most = rows_at_once(model, longest, suffix);
    // Near-equal batches: none is left with a row or two.
    let batches = count.div_ceil(most);
    for batch in 0..batches {
        let (start, end) = (batch * count / batches, (batch + 1) * count / batches);
        let (rows, asked): (Vec<_>, Vec<_>) =
            (start..end).map(&mut row).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let (readings, receipts) = read_rows(model, &rows, &asked)?;
        for (i, (reading, receipts)) in readings.into_iter().zip(receipts).enumerate() {
            keep(start + i, reading, receipts)?;
        }
    }
    Ok(())
}

/// The `n` tokens with the largest logits, the lowest id on ties, with the natural logarithms of their probabilities.
pub fn most_probable(logits: &[f32], n: usize) -> Vec<(u32, f64)> {
    let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let log_sum = most + logits.iter().map(|l| (f64::from(*l) - most).exp()).sum::<f64>().ln();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order.into_iter().take(n).map(|token| (token as u32, f64::from(logits[token]) - log_sum)).collect()
}
