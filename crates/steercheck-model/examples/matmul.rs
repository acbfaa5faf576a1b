//! The matrix products of this crate beside candle's, in one interleaved run:
//! `RAYON_NUM_THREADS=1 cargo run --release -p steercheck-model --example matmul -- [INxOUT ...] [quantised]`
//!
//! Every round runs each contender once; a figure is the median over the rounds of its speed relative to candle's f32
//! product in the same round, so that other load on the machine falls on all of them.

#[allow(dead_code, reason = "the example uses a part")]
#[path = "../src/kernels/mod.rs"]
mod kernels;

use std::time::Instant;

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor};
use kernels::{Matrix, Number, Rows};
use rayon::prelude::*;

const SHAPES: &[(usize, usize)] = &[(576, 1536), (2048, 8192), (4096, 4096), (4096, 11008), (4096, 32000)];
const ROWS: &[usize] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const QUANTISED_ROWS: &[usize] = &[1, 8, 64, 512];
const QUANTISED: &[GgmlDType] = &[
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q2K,
    GgmlDType::Q3K,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];
/// Seconds that a line's rounds take together, and how many rounds there are at least and at most.
const SECONDS: f64 = 1.5;
const ROUNDS: std::ops::RangeInclusive<usize> = 3..=200;
/// candle's bf16 product is left out of larger matrices: it takes up to a second for a single row.
const CANDLE_BF16: usize = 1 << 24;
const TILE_BYTES: usize = 8 << 20;

type Contender<'a> = (&'static str, Box<dyn Fn() -> Result<Tensor> + 'a>);

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One line: the first contender's best GFLOP/s, then everybody's median speed relative to it.
fn race(label: &str, operations: f64, contenders: &[Contender<'_>]) -> Result<()> {
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    let started = Instant::now();
    for round in 0..*ROUNDS.end() {
        if round >= *ROUNDS.start() && started.elapsed().as_secs_f64() > SECONDS {
            break;
        }
        for ((_, run), seconds) in contenders.iter().zip(&mut seconds) {
            let one = Instant::now();
            std::hint::black_box(run()?);
            seconds.push(one.elapsed().as_secs_f64());
        }
    }
    let best = |s: &[f64]| operations / s.iter().copied().fold(f64::INFINITY, f64::min) / 1e9;
    print!("{label} {:7.1}", best(&seconds[0]));
    for s in &seconds[1..] {
        let ratios = seconds[0].iter().zip(s).map(|(first, own)| first / own).collect();
        print!(" | {:6.1} {:6.2}x", best(s), median(ratios));
    }
    println!();
    Ok(())
}

fn heading(label: &str, contenders: &[Contender<'_>]) {
    println!("{label:>12} {:>7}", contenders[0].0);
    let names: Vec<&str> = contenders[1..].iter().map(|c| c.0).collect();
    println!("{:>20} | {}", "GFLOP/s, beside it:", names.join(" | "));
}

/// A product with weights widened tile by tile and multiplied by candle, as it was done before the kernels.
fn by_tiles(x: &Tensor, bytes: &[u8], out: usize, inner: usize) -> Result<Tensor> {
    let step = (TILE_BYTES / (4 * inner)).max(16);
    let starts: Vec<usize> = (0..out).step_by(step).collect();
    let tiles = starts.into_par_iter().map(|s| {
        let rows = step.min(out - s);
        let raw = &bytes[2 * s * inner..2 * (s + rows) * inner];
        let w = Tensor::from_raw_buffer(raw, DType::BF16, &[rows, inner], x.device())?.to_dtype(DType::F32)?;
        x.matmul(&w.t()?)
    });
    Tensor::cat(&tiles.collect::<Result<Vec<Tensor>>>()?, 1)
}

fn bytes_of(w: &Tensor, dtype: DType) -> Result<Vec<u8>> {
    let flat = w.to_dtype(dtype)?.flatten_all()?;
    Ok(match dtype {
        DType::F16 => flat.to_vec1::<half::f16>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
        _ => flat.to_vec1::<half::bf16>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
    })
}

fn floats(inner: usize, out: usize) -> Result<()> {
    let w = Tensor::randn(0f32, 1.0, (out, inner), &Device::Cpu)?;
    let (bf16, f16) = (bytes_of(&w, DType::BF16)?, bytes_of(&w, DType::F16)?);
    let half = w.to_dtype(DType::BF16)?;
    for (i, m) in ROWS.iter().copied().enumerate() {
        let x = Tensor::randn(0f32, 1.0, (m, inner), &Device::Cpu)?;
        let stored = |bytes, number| kernels::multiply(&x, Matrix { rows: Rows::Stored(bytes, number), out, inner });
        let mut contenders: Vec<Contender<'_>> = vec![
            ("candle f32", Box::new(|| x.matmul(&w.t()?))),
            ("own f32", Box::new(|| kernels::dense(&x, &w))),
            ("own bf16", Box::new(|| stored(&bf16, Number::Bf16))),
            ("own f16", Box::new(|| stored(&f16, Number::F16))),
            ("bf16 tiles widened for candle", Box::new(|| by_tiles(&x, &bf16, out, inner))),
        ];
        if inner * out <= CANDLE_BF16 {
            contenders.push(("candle bf16", Box::new(|| x.to_dtype(DType::BF16)?.matmul(&half.t()?))));
        }
        if i == 0 {
            heading(&format!("{inner} x {out}"), &contenders);
        }
        race(&format!("{m:12}"), 2.0 * (m * inner * out) as f64, &contenders)?;
    }
    Ok(())
}

fn quantised(inner: usize, out: usize) -> Result<()> {
    let w = Tensor::randn(0f32, 1.0, (out, inner), &Device::Cpu)?;
    for (i, dtype) in QUANTISED.iter().enumerate() {
        let q = QTensor::quantize(&w, *dtype)?;
        let raw = q.data()?;
        let row = inner / dtype.block_size() * dtype.type_size();
        let widen = |rows: std::ops::Range<usize>| {
            let bytes = std::borrow::Cow::Borrowed(&raw[rows.start * row..rows.end * row]);
            let part = candle_core::quantized::QStorage::from_data(bytes, &Device::Cpu, *dtype)?;
            QTensor::new(part, (rows.len(), inner))?.dequantize(&Device::Cpu)
        };
        let integer = QMatMul::from_qtensor(QTensor::quantize(&w, *dtype)?)?;
        for m in QUANTISED_ROWS.iter().copied() {
            let x = Tensor::randn(0f32, 1.0, (m, inner), &Device::Cpu)?;
            let contenders: Vec<Contender<'_>> = vec![
                ("candle f32", Box::new(|| x.matmul(&w.t()?))),
                ("own f32", Box::new(|| kernels::dense(&x, &w))),
                (
                    "widened by strips",
                    Box::new(|| kernels::multiply(&x, Matrix { rows: Rows::Widened(&widen), out, inner })),
                ),
                ("candle integer", Box::new(|| integer.forward(&x))),
            ];
            if i == 0 && m == QUANTISED_ROWS[0] {
                heading(&format!("{inner} x {out}"), &contenders);
            }
            race(&format!("{dtype:?} {m:7}"), 2.0 * (m * inner * out) as f64, &contenders)?;
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = arguments.iter().filter_map(|a| {
        let (inner, out) = a.split_once('x')?;
        Some((inner.parse().ok()?, out.parse().ok()?))
    });
    let mut shapes: Vec<(usize, usize)> = asked.collect();
    let only_quantised = arguments.iter().any(|a| a == "quantised");
    println!("{} threads; rows of x, then GFLOP/s and the ratio to the first column", rayon::current_num_threads());
    if shapes.is_empty() {
        shapes = SHAPES.to_vec();
    }
    for (inner, out) in shapes {
        if only_quantised { quantised(inner, out)? } else { floats(inner, out)? }
    }
    Ok(())
}
