//! Exponentials and logarithms in f32 for loops over the vocabulary: without branches, so that the compiler makes them vectors.
//! They are compiled into their callers, for the registers that these may use.

/// e^x for x ≤ 0, within 2 units in the last place; 0 below -87.3, where results would be subnormal.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Cody and Waite: x = n ln 2 + r, |r| ≤ ln 2 / 2, e^x = 2^n e^r. Adding 1.5 · 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let least = x.max(-87.3);
    let n = (least * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = (least - n * LN2_HIGH) - n * LN2_LOW;
    let e = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    let power = f32::from_bits(((n as i32 + 127) as u32) << 23);
    if x < -87.3 { 0.0 } else { e * power }
}

/// ln(1 + e) for 0 ≤ e ≤ 1: 2 artanh(e / (2 + e)).
#[allow(clippy::inline_always)]
#[inline(always)]
pub(super) fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let t = s * s;
    let series = 1.0
        + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0))))));
    2.0 * s * series
}

/// ln cosh(d / 2), by its series where the difference of logarithms would lose its digits.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(super) fn ln_cosh_half(d: f32) -> f32 {
    let h = 0.5 * d.abs();
    let far = h + ln_1p(exp(-2.0 * h)) - std::f32::consts::LN_2;
    let t = h * h;
    let near = t * (0.5 - t * (1.0 / 12.0 - t * (1.0 / 45.0 - t * (17.0 / 2520.0))));
    if h < 0.3 { near } else { far }
}

/// Lanes that a sum is kept in, so that additions do not wait for each other.
const LANES: usize = 8;

/// Σ f(i) over 0..n in f64, always in the same order.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(super) fn sum(n: usize, f: impl Fn(usize) -> f32) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let whole = n / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f64::from(f(start + lane));
        }
    }
    lanes.iter().sum::<f64>() + (whole..n).map(|i| f64::from(f(i))).sum::<f64>()
}

/// The largest f(i) over 0..n; NaN never wins.
#[allow(clippy::inline_always)]
#[inline(always)]
pub(super) fn max(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let whole = n / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, most) in lanes.iter_mut().enumerate() {
            *most = most.max(f(start + lane));
        }
    }
    (whole..n).map(f).chain(lanes).fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::{exp, ln_1p, ln_cosh_half};

    fn relative(found: f32, wanted: f64) -> f64 {
        (f64::from(found) - wanted).abs() / wanted.abs().max(1e-300)
    }

    #[test]
    fn they_are_what_the_standard_library_gives_in_f64() {
        for i in 0..=200_000 {
            let x = -87.0 * f64::from(i) / 200_000.0;
            let x = f64::from(x as f32);
            assert!(relative(exp(x as f32), x.exp()) < 3e-7, "exp({x})");
            let e = f64::from((f64::from(i) / 200_000.0) as f32);
            if i > 0 {
                assert!(relative(ln_1p(e as f32), e.ln_1p()) < 3e-7, "ln_1p({e})");
            }
            let d = f64::from((f64::from(i) / 200_000.0 * 40.0) as f32);
            if i > 0 {
                let h = 0.5 * d;
                let wanted = h + (-2.0 * h).exp().ln_1p() - std::f64::consts::LN_2;
                // The formula in f64 loses digits itself near 0.
                let wanted = if h < 1e-3 { 0.5 * h * h } else { wanted };
                assert!(relative(ln_cosh_half(d as f32), wanted) < 5e-6, "ln_cosh_half({d})");
            }
        }
        assert_eq!((exp(0.0), exp(-700.0), ln_1p(0.0), ln_cosh_half(0.0)), (1.0, 0.0, 0.0, 0.0));
        assert!((ln_cosh_half(-1000.0) - (500.0 - std::f32::consts::LN_2)).abs() < 1e-4);
    }
}
