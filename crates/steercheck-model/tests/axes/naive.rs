//! The forward pass as it is written down: one prompt, loops over numbers, f64. It shares the spec with the engine, and the
//! frequencies and slopes in it, which the fixtures hold; nothing else.

use std::collections::BTreeMap;

use half::bf16;
use steercheck_model::{
    Activation, Affine, AlibiRounding, Arrangement, Block, DecoderSpec, ExpertWeights, Experts, Gating, Head, NormKind,
    NormPlace, NormSpec, QkNorm, RotaryPairs, Site,
};

type Vector = Vec<f64>;

/// Changes a value at a site and position.
pub(crate) type Hook<'a> = dyn Fn(Site, usize, &mut [f64]) + 'a;

pub(crate) struct Naive<'a> {
    pub(crate) spec: &'a DecoderSpec,
    /// Row by row, under the names of [`DecoderSpec::tensors`].
    pub(crate) tensors: &'a BTreeMap<String, Vector>,
}

/// By position.
pub(crate) struct States {
    /// `[L + 1][positions][D]`.
    pub(crate) residual: Vec<Vec<Vector>>,
    /// `[L][positions][heads * head_dim]`.
    pub(crate) heads: Vec<Vec<Vector>>,
    /// `[L][positions][D]`.
    pub(crate) attention: Vec<Vec<Vector>>,
    /// `[L][positions][D]`.
    pub(crate) mlp: Vec<Vec<Vector>>,
    /// `[positions][vocab]`.
    pub(crate) logits: Vec<Vector>,
}

fn activate(activation: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Silu => x * sigmoid(x),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
        Activation::GeluErf => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::Relu => x.max(0.0),
        Activation::ReluSquared => x.max(0.0).powi(2),
        Activation::QuickGelu => x * sigmoid(1.702 * x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Identity => x,
    }
}

/// The error function by its Taylor series, which converges everywhere; beyond 5 it is ±1 to every digit used here.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn softmax(x: &[f64]) -> Vector {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vector = x.iter().map(|x| (x - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

fn capped(x: f64, cap: Option<f32>) -> f64 {
    cap.map_or(x, |cap| f64::from(cap) * (x / f64::from(cap)).tanh())
}

fn plus(a: &[f64], b: &[f64], times: f64) -> Vector {
    a.iter().zip(b).map(|(a, b)| a + times * b).collect()
}

/// A token's query, key and value, heads one after another.
struct Projected {
    q: Vector,
    k: Vector,
    v: Vector,
}

impl Naive<'_> {
    fn linear(&self, stem: &str, x: &[f64]) -> Vector {
        let weight = &self.tensors[&format!("{stem}.weight")];
        let bias = self.tensors.get(&format!("{stem}.bias"));
        let rows = weight.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>());
        rows.enumerate().map(|(i, y)| y + bias.map_or(0.0, |b| b[i])).collect()
    }

    /// `part` counts the pieces of the weight that are as long as `x`.
    fn norm(&self, stem: &str, spec: NormSpec, x: &[f64], part: usize) -> Vector {
        let n = x.len() as f64;
        let mean = if spec.kind == NormKind::Layer { x.iter().sum::<f64>() / n } else { 0.0 };
        let centred: Vector = x.iter().map(|x| x - mean).collect();
        let rms = (centred.iter().map(|x| x * x).sum::<f64>() / n + f64::from(spec.eps)).sqrt();
        let own = |end: &str| self.tensors.get(&format!("{stem}.{end}")).map(|t| &t[part * x.len()..]);
        let (weight, bias) = (own("weight"), own("bias"));
        assert_eq!(weight.is_some(), spec.affine != Affine::None);
        let offset = f64::from(spec.weight_offset);
        let scaled = centred.iter().enumerate().map(|(i, x)| x / rms * weight.map_or(1.0, |w| w[i] + offset));
        scaled.enumerate().map(|(i, y)| y + bias.map_or(0.0, |b| b[i])).collect()
    }

    fn embed(&self, token: u32, position: usize) -> Vector {
        let spec = &self.spec.embedding;
        let table = &self.tensors["model.embed_tokens.weight"];
        let row = table.chunks(spec.width).nth(token as usize).unwrap();
        let mut x: Vector = row.iter().map(|x| x * f64::from(spec.multiplier)).collect();
        if spec.width != self.spec.hidden_size {
            x = self.linear("model.project_in", &x);
        }
        if let Some(positions) = spec.positions {
            let table = &self.tensors["model.embed_positions.weight"];
            x = plus(&x, table.chunks(x.len()).nth(position + positions.offset).unwrap(), 1.0);
        }
        spec.norm.map_or_else(|| x.clone(), |n| self.norm("model.embed_norm", n, &x, 0))
    }

    fn rotate(&self, rotary: usize, x: &mut [f64], position: usize, length: usize) {
        let spec = &self.spec.rotary[rotary];
        let (frequencies, factor) = spec.frequencies(length);
        for (i, f) in frequencies.iter().enumerate() {
            let (a, b) = match spec.pairs {
                RotaryPairs::Halves => (i, i + spec.dims / 2),
                RotaryPairs::Neighbours => (2 * i, 2 * i + 1),
            };
            let (sin, cos) = (position as f64 * f64::from(*f)).sin_cos();
            let (p, q) = (x[a], x[b]);
            x[a] = f64::from(factor) * (p * cos - q * sin);
            x[b] = f64::from(factor) * (q * cos + p * sin);
        }
    }

    fn sublayer_input(&self, stem: &str, x: &[f64]) -> Vector {
        let norms = self.spec.norms;
        if norms.place.before() { self.norm(stem, norms.spec, x, 0) } else { x.to_vec() }
    }

    fn project(&self, block: usize, x: &[f64], position: usize, length: usize) -> Projected {
        let spec = self.spec;
        let at = |piece: &str| format!("model.layers.{block}.{piece}");
        let h = self.sublayer_input(&at("input_layernorm"), x);
        let one = |name: &str, normed: bool| {
            let mut y = self.linear(&at(&format!("self_attn.{name}_proj")), &h);
            let norm = at(&format!("self_attn.{name}_norm"));
            let by_head = |y: &[f64], n, each: bool| -> Vector {
                let heads = y.chunks(spec.head_dim).enumerate();
                heads.flat_map(|(head, y)| self.norm(&norm, n, y, if each { head } else { 0 })).collect()
            };
            y = match spec.qk_norm {
                _ if !normed => y,
                QkNorm::None => y,
                QkNorm::PerHead(n) => by_head(&y, n, false),
                QkNorm::EachHead(n) => by_head(&y, n, true),
                QkNorm::Whole(n) => self.norm(&norm, n, &y, 0),
            };
            if let Some(most) = spec.qkv_clip.map(f64::from) {
                for y in &mut y {
                    *y = y.clamp(-most, most);
                }
            }
            if let Some(rotary) = spec.blocks[block].rotary.filter(|_| normed) {
                y.chunks_mut(spec.head_dim).for_each(|head| self.rotate(rotary, head, position, length));
            }
            y
        };
        Projected { q: one("q", true), k: one("k", true), v: one("v", false) }
    }

    /// The output of one head at one position.
    fn head(&self, block: usize, head: usize, position: usize, all: &[Projected]) -> Vector {
        let (spec, width) = (self.spec, self.spec.head_dim);
        let kv = head / (spec.heads / spec.kv_heads);
        let slice = |x: &[f64], h: usize| x[h * width..(h + 1) * width].to_vec();
        let q = slice(&all[position].q, head);
        let first = spec.blocks[block].window.map_or(0, |w| (position + 1).saturating_sub(w));
        let scores: Vector = (first..=position)
            .map(|key| {
                let dot: f64 = q.iter().zip(slice(&all[key].k, kv)).map(|(q, k)| q * k).sum();
                let score = capped(dot * f64::from(spec.blocks[block].attention_scale), spec.attention_soft_cap);
                let bias = spec.alibi.as_ref().map_or(0.0, |alibi| {
                    let round = |x: f32| f64::from(bf16::from_f32(x).to_f32());
                    let slope = alibi.slopes[head];
                    let bias = match alibi.rounding {
                        AlibiRounding::Exact => f64::from(slope) * key as f64,
                        AlibiRounding::Bf16 => round((round(slope) * round(key as f32)) as f32),
                    };
                    f64::from(alibi.scale) * bias
                });
                score + bias
            })
            .collect();
        let mut z = vec![0.0; width];
        for (weight, key) in softmax(&scores).into_iter().zip(first..) {
            z = plus(&z, &slice(&all[key].v, kv), weight);
        }
        z
    }

    fn dense(&self, [gate, up, down]: [&str; 3], x: &[f64]) -> Vector {
        let mlp = self.spec.mlp;
        let up = self.linear(up, x);
        let act = |x: &f64| activate(mlp.activation, *x);
        let inner: Vector = match mlp.gating {
            Gating::Plain => up.iter().map(act).collect(),
            Gating::Gated => self.linear(gate, x).iter().map(act).zip(&up).map(|(g, u)| g * u).collect(),
        };
        self.linear(down, &inner)
    }

    fn experts(&self, at: &dyn Fn(&str) -> String, experts: &Experts, x: &[f64]) -> Vector {
        let trio = |stem: &str| ["gate", "up", "down"].map(|p| at(&format!("mlp.{stem}.{p}_proj")));
        let names = |trio: &[String; 3], x: &[f64]| self.dense([&trio[0], &trio[1], &trio[2]], x);
        let p = softmax(&self.linear(&at("mlp.gate"), x));
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
        order.truncate(experts.used);
        let sum: f64 = match experts.weights {
            ExpertWeights::Probabilities => 1.0,
            ExpertWeights::Renormalised => order.iter().map(|e| p[*e]).sum(),
        };
        let mut out = vec![0.0; x.len()];
        for e in order {
            out = plus(&out, &names(&trio(&format!("experts.{e}")), x), p[e] / sum);
        }
        if experts.shared.is_some() {
            let gate = self.linear(&at("mlp.shared_expert_gate"), x)[0];
            out = plus(&out, &names(&trio("shared_expert"), x), 1.0 / (1.0 + (-gate).exp()));
        }
        out
    }

    fn join(&self, stem: &str, x: &[f64], added: &[f64]) -> Vector {
        let (norms, times) = (self.spec.norms, f64::from(self.spec.residual_multiplier));
        match norms.place {
            NormPlace::AfterSum => self.norm(stem, norms.spec, &plus(x, added, times), 0),
            NormPlace::Stream => plus(&self.norm(stem, norms.spec, x, 0), added, times),
            _ => plus(x, added, times),
        }
    }

    fn logits(&self, top: &[f64]) -> Vector {
        let head = &self.spec.head;
        let mut h = head.norm.map_or_else(|| top.to_vec(), |n| self.norm("model.norm", n, top, 0));
        if self.spec.embedding.width != self.spec.hidden_size {
            h = self.linear("model.project_out", &h);
        }
        let own = self.tensors.get("lm_head.weight");
        let weight = own.unwrap_or_else(|| &self.tensors["model.embed_tokens.weight"]);
        let bias = self.tensors.get("lm_head.bias");
        let rows = weight.chunks(h.len()).map(|row| row.iter().zip(&h).map(|(w, x)| w * x).sum::<f64>());
        let biased = rows.enumerate().map(|(i, y)| y + bias.map_or(0.0, |b| b[i]));
        biased.map(|y| capped(y * f64::from(head.logit_multiplier), head.soft_cap)).collect()
    }

    /// All states of a prompt.
    pub(crate) fn run(&self, tokens: &[u32], hook: &Hook<'_>) -> States {
        let (spec, places) = (self.spec, 0..tokens.len());
        let after = |x: Vector, stem: &str| {
            if spec.norms.place.after() { self.norm(stem, spec.norms.spec, &x, 0) } else { x }
        };
        let mut states = States { residual: vec![], heads: vec![], attention: vec![], mlp: vec![], logits: vec![] };
        let mut x: Vec<Vector> = tokens.iter().zip(0..).map(|(t, i)| self.embed(*t, i)).collect();
        for (i, x) in x.iter_mut().enumerate() {
            hook(Site::Residual(0), i, x);
        }
        states.residual.push(x.clone());
        for (b, kind) in spec.blocks.iter().enumerate() {
            let (at, block) = (|piece: &str| format!("model.layers.{b}.{piece}"), Block(b + 1));
            let all: Vec<Projected> = places.clone().map(|i| self.project(b, &x[i], i, tokens.len())).collect();
            let (mut heads, mut attention, mut mlp) = (vec![], vec![], vec![]);
            for (i, x) in x.iter_mut().enumerate() {
                let mut z = vec![];
                for h in 0..spec.heads {
                    let mut one = self.head(b, h, i, &all);
                    hook(Site::HeadOutput(block, Head(h)), i, &mut one);
                    z.extend(one);
                }
                let projected = self.linear(&at("self_attn.o_proj"), &z);
                let mut a = after(projected, &at("post_attention_layernorm"));
                hook(Site::AttentionOutput(block), i, &mut a);
                let middle = self.join(&at("input_layernorm"), x, &a);
                let own = at("pre_feedforward_layernorm");
                let (read, stem) = match spec.arrangement {
                    Arrangement::Sequential => (&middle, own.clone()),
                    Arrangement::ParallelSharedNorm => (&*x, at("input_layernorm")),
                    Arrangement::ParallelOwnNorms => (&*x, own.clone()),
                };
                let h = self.sublayer_input(&stem, read);
                let raw = match &kind.experts {
                    None => {
                        let names = ["gate", "up", "down"].map(|p| at(&format!("mlp.{p}_proj")));
                        self.dense([&names[0], &names[1], &names[2]], &h)
                    }
                    Some(experts) => self.experts(&at, experts, &h),
                };
                let mut m = after(raw, &at("post_feedforward_layernorm"));
                hook(Site::MlpOutput(block), i, &mut m);
                *x = self.join(&own, &middle, &m);
                hook(Site::Residual(b + 1), i, x);
                heads.push(z);
                attention.push(a);
                mlp.push(m);
            }
            states.residual.push(x.clone());
            states.heads.push(heads);
            states.attention.push(attention);
            states.mlp.push(mlp);
        }
        states.logits = x.iter().map(|x| self.logits(x)).collect();
        states
    }
}
