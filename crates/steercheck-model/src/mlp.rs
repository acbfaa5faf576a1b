//! The MLP of a block: one, or a mixture of experts.

use candle_core::Tensor;

use crate::error::Result;
use crate::linear::Linear;
use crate::spec::{Activation, ExpertWeights, Experts};

/// `down(act(gate(x)) * up(x))`, or `down(act(up(x)))` without a gate.
pub(crate) struct DenseMlp {
    pub(crate) gate: Option<Linear>,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// Experts and what chooses among them.
pub(crate) struct ExpertMlps {
    pub(crate) spec: Experts,
    /// `[experts, D]`.
    pub(crate) router: Linear,
    pub(crate) experts: Vec<DenseMlp>,
    /// An expert for every token, and its gate `[1, D]`.
    pub(crate) shared: Option<(DenseMlp, Linear)>,
}

/// The weights of a block's MLP.
#[allow(clippy::large_enum_variant, reason = "there is one for each block")]
pub(crate) enum MlpWeights {
    Dense(DenseMlp),
    Experts(ExpertMlps),
}

impl MlpWeights {
    /// Normed rows `[rows, D]` to `[rows, D]`.
    pub(crate) fn forward(&self, activation: Activation, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(mlp) => mlp.forward(activation, x),
            Self::Experts(experts) => experts.forward(activation, x),
        }
    }
}

impl DenseMlp {
    fn forward(&self, activation: Activation, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?;
        let inner = match &self.gate {
            None => activate(activation, &up)?,
            Some(gate) => (activate(activation, &gate.forward(x)?)? * up)?,
        };
        self.down.forward(&inner)
    }
}

/// For each expert, the rows that use it and the weights they give it.
type Assignment = Vec<(Vec<u32>, Vec<f32>)>;

impl ExpertMlps {
    /// Which rows go where. On equal probabilities the expert with the lower number is taken.
    fn route(&self, x: &Tensor) -> Result<Assignment> {
        let probabilities = candle_nn::ops::softmax_last_dim(&self.router.forward(x)?)?.to_vec2::<f32>()?;
        let mut out: Assignment = vec![(Vec::new(), Vec::new()); self.spec.count];
        for (row, p) in probabilities.iter().enumerate() {
            let mut order: Vec<usize> = (0..p.len()).collect();
            order.sort_by(|a, b| p[*b].total_cmp(&p[*a]).then(a.cmp(b)));
            order.truncate(self.spec.used);
            let sum = match self.spec.weights {
                ExpertWeights::Probabilities => 1.0,
                ExpertWeights::Renormalised => order.iter().map(|e| p[*e]).sum(),
            };
            for e in order {
                out[e].0.push(row as u32);
                out[e].1.push(p[e] / sum);
            }
        }
        Ok(out)
    }

    fn forward(&self, activation: Activation, x: &Tensor) -> Result<Tensor> {
        let mut out = match &self.shared {
            None => x.zeros_like()?,
            Some((mlp, gate)) => {
                mlp.forward(activation, x)?.broadcast_mul(&candle_nn::ops::sigmoid(&gate.forward(x)?)?)?
            }
        };
        for (expert, (rows, weights)) in self.experts.iter().zip(self.route(x)?) {
            if rows.is_empty() {
                continue;
            }
            let (count, device) = (rows.len(), x.device());
            let index = Tensor::from_vec(rows, count, device)?;
            let weights = Tensor::from_vec(weights, (count, 1), device)?;
            let y = expert.forward(activation, &x.index_select(&index, 0)?)?.broadcast_mul(&weights)?;
            out = out.index_add(&index, &y, 0)?;
        }
        Ok(out)
    }
}

fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    Ok(match activation {
        Activation::Silu => x.silu()?,
        Activation::GeluTanh => x.gelu()?,
        Activation::GeluErf => x.gelu_erf()?,
        Activation::Relu => x.relu()?,
        Activation::ReluSquared => x.relu()?.sqr()?,
        Activation::QuickGelu => (x * candle_nn::ops::sigmoid(&(x * 1.702)?)?)?,
        Activation::Tanh => x.tanh()?,
        Activation::Sigmoid => candle_nn::ops::sigmoid(x)?,
        Activation::Identity => x.clone(),
    })
}
