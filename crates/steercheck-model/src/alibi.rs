//! Attention with linear biases (Press et al. 2022), as the families that use it compute it.

use std::ops::Range;

use candle_core::{Device, Tensor};
use half::bf16;

use crate::error::Result;
use crate::spec::{Alibi, AlibiRounding};

impl Alibi {
    /// Slopes as Press et al. publish them and BLOOM and Falcon compute them: powers of 2^(-8/n) for n heads, n a power of
    /// two, and every other one of 2^(-8/2n) for the heads beyond.
    pub fn press(heads: usize) -> Self {
        let closest = 1usize << heads.max(1).ilog2();
        let base = |n: usize| (-((-((n as f64).log2() - 3.0)).exp2())).exp2() as f32;
        let mut slopes: Vec<f32> = (1..=closest).map(|i| base(closest).powi(i as i32)).collect();
        slopes.extend((0..heads - closest).map(|i| base(2 * closest).powi(2 * i as i32 + 1)));
        Self { slopes, scale: 1.0, rounding: AlibiRounding::Exact }
    }

    /// Slopes as MPT computes them: powers of 2^(-max/n) for the next power of two n, of which a number of heads that is
    /// none takes the odd ones first.
    pub fn mpt(heads: usize, max: f64) -> Self {
        let n = heads.next_power_of_two();
        let all: Vec<f32> = (1..=n).map(|i| (1.0 / (i as f64 * max / n as f64).exp2()) as f32).collect();
        let slopes = if n == heads {
            all
        } else {
            let (odd, even) = (all.iter().skip(1).step_by(2), all.iter().step_by(2));
            odd.chain(even).copied().take(heads).collect()
        };
        Self { slopes, scale: 1.0, rounding: AlibiRounding::Exact }
    }

    /// Biases `[heads, 1, keys]` of the keys at these positions, for rows at or after the last of them.
    pub(crate) fn biases(&self, keys: Range<usize>, device: &Device) -> Result<Tensor> {
        let (len, end) = (keys.len(), keys.end as f32);
        let values: Vec<f32> = self
            .slopes
            .iter()
            .flat_map(|slope| {
                keys.clone().map(move |key| match self.rounding {
                    // Counted from the end: small numbers where the weights are large.
                    AlibiRounding::Exact => self.scale * slope * (key as f32 + 1.0 - end),
                    AlibiRounding::Bf16 => {
                        let round = |x: f32| bf16::from_f32(x).to_f32();
                        self.scale * round(round(*slope) * round(key as f32))
                    }
                })
            })
            .collect();
        Ok(Tensor::from_vec(values, (self.slopes.len(), 1, len), device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::Alibi;

    #[test]
    fn slopes_are_the_published_ones() {
        let eight = Alibi::press(8).slopes;
        assert!(eight.iter().enumerate().all(|(i, s)| (s - 0.5f32.powi(i as i32 + 1)).abs() < 1e-7), "{eight:?}");
        // ALiBi's appendix: the first four of eight heads' slopes squared, then every other one of the eight's.
        let six = Alibi::press(6).slopes;
        let want = [0.25, 0.0625, 0.015_625, 0.003_906_25, 0.5, 0.125];
        assert!(six.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-7), "{six:?}");
        let want = [0.0625, 0.003_906_25, 0.25];
        let three = Alibi::mpt(3, 8.0).slopes;
        assert!(three.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-7), "{three:?}");
    }
}
