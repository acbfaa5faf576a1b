//! Every kernel against a sum in f64, and all of them against each other bit for bit.

use half::{bf16, f16};
use proptest::prelude::*;

use super::*;

/// Numbers between -1 and 1 without a pattern along rows or columns.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// A matrix as a file holds it, `offset` bytes into a buffer, and the numbers that it really holds.
struct Stored {
    buffer: Vec<u8>,
    offset: usize,
    number: Number,
    values: Vec<f32>,
}

impl Stored {
    fn new(values: &[f32], number: Number, offset: usize) -> Self {
        let mut buffer = vec![0xff; offset];
        let mut exact = Vec::new();
        for v in values {
            match number {
                Number::F32 => buffer.extend(v.to_le_bytes()),
                Number::F16 => buffer.extend(f16::from_f32(*v).to_le_bytes()),
                Number::Bf16 => buffer.extend(bf16::from_f32(*v).to_le_bytes()),
            }
            exact.push(match number {
                Number::F32 => *v,
                Number::F16 => f16::from_f32(*v).to_f32(),
                Number::Bf16 => bf16::from_f32(*v).to_f32(),
            });
        }
        Self { buffer, offset, number, values: exact }
    }

    fn rows(&self) -> Rows<'_> {
        Rows::Stored(&self.buffer[self.offset..], self.number)
    }
}

fn multiplied(set: Set, x: &[f32], m: usize, w: Matrix<'_>) -> Vec<f32> {
    let mut y = vec![f32::NAN; m * w.out];
    product(set, x, &w, &mut y).unwrap();
    y
}

fn sets() -> impl Iterator<Item = Set> {
    Set::ALL.iter().copied().filter(|s| s.is_available())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Rows of `x`, rows of `W`, positions.
type Sizes = (usize, usize, usize);

fn any_sizes() -> impl Strategy<Value = Sizes> {
    prop_oneof![
        (1usize..20, 1usize..20, 1usize..80),
        (1usize..40, 1usize..130, 1usize..40),
        (250usize..300, 1usize..60, 1usize..20),
        (1usize..10, 1usize..10, 2030usize..2070),
        (1usize..10, 1usize..10, 4080usize..4110),
    ]
}

fn any_number() -> impl Strategy<Value = Number> {
    prop_oneof![Just(Number::F32), Just(Number::F16), Just(Number::Bf16)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn every_kernel_is_the_product_and_all_have_the_same_bits(
        (m, out, inner) in any_sizes(), number in any_number(), offset in 0usize..8, seed in 1u64..1 << 40,
    ) {
        let x = numbers(m * inner, seed);
        let w = Stored::new(&numbers(out * inner, seed + 1), number, offset);
        let mut first: Option<Vec<u32>> = None;
        for set in sets() {
            let y = multiplied(set, &x, m, Matrix { rows: w.rows(), out, inner });
            for (i, y) in y.iter().enumerate() {
                let (x, w) = (&x[i / out * inner..][..inner], &w.values[i % out * inner..][..inner]);
                let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                let (exact, size): (f64, f64) = terms.fold((0.0, 0.0), |(e, s), t| (e + t, s + t.abs()));
                // Sixteen sums a sixteenth as long each, then a tree; each step rounds by at most 2^-24.
                let bound = (inner as f64 / 16.0 + 8.0) * size * 2f64.powi(-24);
                prop_assert!((f64::from(*y) - exact).abs() <= bound, "{set:?} {i}: {y} for {exact}, bound {bound}");
            }
            let y = bits(&y);
            prop_assert!(first.as_ref().is_none_or(|f| *f == y), "{set:?} has other bits");
            first = Some(y);
        }
    }

    #[test]
    fn a_row_alone_has_the_bits_that_it_has_in_a_batch_and_a_weight_row_those_that_it_has_in_a_matrix(
        (m, out, inner) in any_sizes(), number in any_number(), seed in 1u64..1 << 40,
    ) {
        let x = numbers(m * inner, seed);
        let w = Stored::new(&numbers(out * inner, seed + 1), number, 1);
        let (row, column) = (seed as usize % m, (seed >> 20) as usize % out);
        let Rows::Stored(bytes, _) = w.rows() else { unreachable!() };
        let per_row = inner * number.bytes();
        let one = Rows::Stored(&bytes[column * per_row..][..per_row], number);
        for set in sets() {
            let all = multiplied(set, &x, m, Matrix { rows: w.rows(), out, inner });
            let alone = multiplied(set, &x[row * inner..][..inner], 1, Matrix { rows: w.rows(), out, inner });
            prop_assert_eq!(bits(&all[row * out..][..out]), bits(&alone));
            let single = multiplied(set, &x[row * inner..][..inner], 1, Matrix { rows: one, out: 1, inner });
            prop_assert_eq!(single[0].to_bits(), alone[column].to_bits());
        }
    }

    #[test]
    fn weights_as_stored_and_widened_beforehand_give_the_same_bits(
        (m, out, inner) in any_sizes(), number in any_number(), seed in 1u64..1 << 40,
    ) {
        let x = numbers(m * inner, seed);
        let w = Stored::new(&numbers(out * inner, seed + 1), number, 3);
        let f32s = Stored::new(&w.values, Number::F32, 0);
        let widen = |rows: Range<usize>| {
            let (n, device) = (rows.len(), candle_core::Device::Cpu);
            Tensor::from_slice(&w.values[rows.start * inner..rows.end * inner], (n, inner), &device)
        };
        for set in sets() {
            let stored = bits(&multiplied(set, &x, m, Matrix { rows: w.rows(), out, inner }));
            let before = bits(&multiplied(set, &x, m, Matrix { rows: f32s.rows(), out, inner }));
            let during = bits(&multiplied(set, &x, m, Matrix { rows: Rows::Widened(&widen), out, inner }));
            prop_assert_eq!(&stored, &before);
            prop_assert_eq!(&stored, &during);
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let (m, out, inner) = (70, 700, 200);
    let x = numbers(m * inner, 1);
    let w = Stored::new(&numbers(out * inner, 2), Number::Bf16, 0);
    let matrix = Matrix { rows: w.rows(), out, inner };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bits(&pool.install(|| multiplied(Set::best(), &x, m, matrix)))
    };
    assert!(m * out * inner >= SERIAL, "large enough for threads");
    assert_eq!(with(1), with(3));
    assert_eq!(with(1), with(8));
}

#[test]
#[allow(clippy::float_cmp, reason = "widening is exact, and -0 equals 0")]
fn numbers_at_the_ends_of_their_ranges_are_widened_exactly() {
    // Largest, smallest normal and smallest subnormal of each type, infinities and NaN, each alone in a row.
    let halves = [0x7bffu16, 0x0400, 0x0001, 0x8001, 0x83ff, 0x7c00, 0xfc00, 0x7e00, 0x8000];
    let bfloats = [0x7f7fu16, 0x0080, 0x0001, 0x8001, 0x807f, 0x7f80, 0xff80, 0x7fc0, 0x8000];
    for inner in [1, 16, 17] {
        let mut x = vec![0.0f32; inner];
        x[inner - 1] = 1.0;
        for (number, raw) in [(Number::F16, halves), (Number::Bf16, bfloats)] {
            let mut bytes = Vec::new();
            for r in raw {
                bytes.extend(vec![0u8; 2 * (inner - 1)]);
                bytes.extend(r.to_le_bytes());
            }
            let w = Matrix { rows: Rows::Stored(&bytes, number), out: raw.len(), inner };
            for set in sets() {
                for (y, r) in multiplied(set, &x, 1, w).iter().zip(raw) {
                    let exact =
                        if number == Number::F16 { f16::from_bits(r).to_f32() } else { bf16::from_bits(r).to_f32() };
                    assert!(*y == exact || (y.is_nan() && exact.is_nan()), "{set:?} {number:?} {r:#06x}: {y}");
                }
            }
        }
    }
}

#[test]
fn nothing_times_something_is_zero_and_sizes_that_do_not_fit_are_refused() {
    let w = Stored::new(&numbers(6, 1), Number::F32, 0);
    for set in sets() {
        let nothing = Matrix { rows: Rows::Stored(&[], Number::F16), out: 3, inner: 0 };
        assert_eq!(multiplied(set, &[], 2, nothing), vec![0.0; 6]);
        assert_eq!(multiplied(set, &[], 0, Matrix { rows: w.rows(), out: 2, inner: 3 }), vec![0.0; 0]);
        let wrong = [(w.rows(), 2, 4, 8, 4), (w.rows(), 2, 3, 5, 4), (w.rows(), 2, 3, 6, 3)];
        for (rows, out, inner, given, wanted) in wrong {
            let refused = product(set, &vec![0.0; given], &Matrix { rows, out, inner }, &mut vec![0.0; wanted]);
            assert!(refused.is_err(), "{out} {inner} {given} {wanted}");
        }
    }
}

#[test]
fn rows_of_any_stride_are_multiplied() {
    let device = candle_core::Device::Cpu;
    let x = Tensor::from_vec(numbers(40, 1), (8, 5), &device).unwrap();
    let w = Tensor::from_vec(numbers(24, 2), (3, 8), &device).unwrap();
    for view in [x.t().unwrap(), x.t().unwrap().narrow(0, 1, 3).unwrap()] {
        let (own, reference) = (dense(&view, &w).unwrap(), view.matmul(&w.t().unwrap()).unwrap());
        let difference = (own - reference).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference < 1e-6, "{difference}");
    }
}
