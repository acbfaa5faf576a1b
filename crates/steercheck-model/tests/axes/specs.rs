//! Random small specs: every axis of [`DecoderSpec`], combined at random.

use steercheck_model::{
    Activation, Affine, Alibi, AlibiRounding, Arrangement, Biases, BlockNorms, BlockSpec, DecoderSpec, EmbeddingSpec,
    ExpertWeights, Experts, Gating, HeadSpec, LearnedPositions, Mlp, NormKind, NormPlace, NormSpec, QkNorm,
    RotaryPairs, RotaryScaling, RotarySpec, Tying,
};

use crate::common::random::Numbers;

/// Positions that every spec promises.
pub(crate) const POSITIONS: usize = 64;

/// What is drawn from.
struct Draw<'a>(&'a mut Numbers);

impl Draw<'_> {
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.below(all.len())]
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.0.below(high - low + 1)
    }

    fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.0.unit() + 1.0) / 2.0
    }

    fn flag(&mut self) -> bool {
        self.0.below(2) == 1
    }

    /// `Some` once in `n` times.
    fn one_in<T>(&mut self, n: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.0.below(n) == 0 { Some(make(self)) } else { None }
    }

    fn norm(&mut self) -> NormSpec {
        NormSpec {
            kind: self.of(&[NormKind::Rms, NormKind::Layer]),
            eps: self.of(&[1e-5, 1e-3]),
            weight_offset: self.of(&[0.0, 1.0]),
            affine: self.of(&[Affine::None, Affine::Scale, Affine::ScaleAndBias]),
        }
    }

    fn scaling(&mut self, dims: usize) -> RotaryScaling {
        let (factor, trained) = (self.real(1.0, 6.0), self.between(3, 20));
        let mut by = || (0..dims / 2).map(|_| self.real(1.0, 4.0) as f32).collect::<Vec<f32>>();
        let (short, long) = (by(), by());
        let attention_factor = self.real(0.8, 1.3);
        match self.0.below(7) {
            0 => RotaryScaling::Linear { factor },
            // Two dimensions have no base that could grow.
            1 if dims > 2 => RotaryScaling::Dynamic { factor, trained },
            2 => RotaryScaling::Llama3 { factor, low: 1.0, high: 4.0, trained },
            3 => {
                let truncate = self.flag();
                RotaryScaling::Yarn { factor, trained, beta_fast: 32.0, beta_slow: 1.0, attention_factor, truncate }
            }
            4 => RotaryScaling::Factors(short),
            5 => RotaryScaling::LongRope { short, long, trained, attention_factor },
            _ => RotaryScaling::None,
        }
    }

    fn rotary(&mut self, head_dim: usize) -> RotarySpec {
        let dims = 2 * self.between(1, head_dim / 2);
        let pairs = self.of(&[RotaryPairs::Halves, RotaryPairs::Neighbours]);
        RotarySpec { theta: self.real(5.0, 20_000.0), dims, pairs, scaling: self.scaling(dims) }
    }

    fn experts(&mut self) -> Experts {
        let count = self.between(2, 5);
        Experts {
            count,
            used: self.between(1, count),
            inner: self.between(1, 9),
            weights: self.of(&[ExpertWeights::Probabilities, ExpertWeights::Renormalised]),
            shared: self.one_in(2, |d| d.between(1, 7)),
        }
    }

    fn embedding(&mut self, hidden_size: usize) -> EmbeddingSpec {
        EmbeddingSpec {
            width: self.one_in(4, |d| d.between(2, 20)).unwrap_or(hidden_size),
            multiplier: self.of(&[1.0, 1.0, 2.5]),
            positions: self.one_in(3, |d| {
                let offset = d.of(&[0, 2]);
                LearnedPositions { rows: POSITIONS + offset, offset }
            }),
            norm: self.one_in(4, Self::norm),
        }
    }

    /// Where norms stand, with an arrangement that they make sense in: parallel sublayers read the same stream.
    fn shape(&mut self) -> (NormPlace, Arrangement) {
        let parallel = [Arrangement::ParallelSharedNorm, Arrangement::ParallelOwnNorms];
        match self.0.below(7) {
            0 => (NormPlace::After, Arrangement::Sequential),
            1 => (NormPlace::Around, Arrangement::Sequential),
            2 => (NormPlace::AfterSum, Arrangement::Sequential),
            3 => (NormPlace::Stream, Arrangement::Sequential),
            4 => (NormPlace::Before, Arrangement::Sequential),
            _ => (NormPlace::Before, self.of(&parallel)),
        }
    }
}

/// The spec of a seed.
pub(crate) fn spec(seed: u64) -> DecoderSpec {
    let mut numbers = Numbers(seed);
    let mut d = Draw(&mut numbers);
    let (kv_heads, per, head_dim) = (d.between(1, 3), d.between(1, 3), d.between(2, 9));
    let heads = kv_heads * per;
    let hidden_size = d.between(3, 24);
    let rotary: Vec<RotarySpec> = (0..d.between(0, 2)).map(|_| d.rotary(head_dim)).collect();
    let (place, arrangement) = d.shape();
    let qk_norm = match d.0.below(6) {
        0 => QkNorm::PerHead(d.norm()),
        1 => QkNorm::EachHead(d.norm()),
        2 => QkNorm::Whole(d.norm()),
        _ => QkNorm::None,
    };
    let blocks = (0..d.between(1, 4))
        .map(|_| BlockSpec {
            rotary: if rotary.is_empty() { None } else { d.one_in(5, |_| ()).map_or(Some(()), |()| None) }
                .map(|()| d.between(0, rotary.len() - 1)),
            window: d.one_in(3, |d| d.between(1, 6)),
            attention_scale: d.real(0.1, 1.0) as f32,
            experts: d.one_in(4, Draw::experts),
        })
        .collect();
    DecoderSpec {
        family: "random",
        vocab_size: d.between(2, 40),
        hidden_size,
        intermediate_size: d.between(1, 30),
        heads,
        kv_heads,
        head_dim,
        max_positions: POSITIONS,
        embedding: d.embedding(hidden_size),
        residual_multiplier: d.of(&[1.0, 1.0, 0.4]),
        attention_soft_cap: d.one_in(4, |d| d.real(1.0, 20.0) as f32),
        arrangement,
        norms: BlockNorms { spec: d.norm(), place },
        qk_norm,
        qkv_clip: d.one_in(4, |d| d.real(0.3, 3.0) as f32),
        alibi: d.one_in(3, |d| Alibi {
            scale: d.of(&[1.0, 0.5]),
            rounding: d.of(&[AlibiRounding::Exact, AlibiRounding::Bf16]),
            ..if d.flag() { Alibi::press(heads) } else { Alibi::mpt(heads, 6.0) }
        }),
        biases: Biases { qkv: d.flag(), output: d.flag(), mlp: d.flag() },
        mlp: Mlp {
            activation: d.of(&[
                Activation::Silu,
                Activation::GeluTanh,
                Activation::GeluErf,
                Activation::Relu,
                Activation::ReluSquared,
                Activation::QuickGelu,
                Activation::Tanh,
                Activation::Sigmoid,
                Activation::Identity,
            ]),
            gating: d.of(&[Gating::Gated, Gating::Plain]),
        },
        rotary,
        blocks,
        head: HeadSpec {
            norm: d.one_in(5, |_| ()).map_or_else(|| Some(d.norm()), |()| None),
            tying: d.of(&[Tying::Tied, Tying::Untied]),
            bias: d.flag(),
            logit_multiplier: d.of(&[1.0, 0.3]),
            soft_cap: d.one_in(4, |d| d.real(2.0, 30.0) as f32),
        },
    }
}
