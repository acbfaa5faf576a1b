//! A model of the size of the study's, made of random numbers, and the work that causal mediation is on it: prompts are
//! prefilled, and every head of every block is replaced once for each of them.
//!
//! ```sh
//! cargo run --release -p steercheck-model --example large_model -- make FOLDER 7b
//! cargo run --release -p steercheck-model --example large_model -- run FOLDER 25 100 [f32]
//! ```
//!
//! `run` prints times, rates and a digest of all results, which stays the same whatever memory the process may use
//! (`scripts/memory_bound.sh`), and with weights widened to f32 beforehand.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Map, Value, json};
use steercheck_model::{Block, Edit, Head, LoadOptions, Loaded, Operation, Precision, Row, Site};

/// Hidden, inner, blocks, heads, key/value heads, vocabulary.
const SHAPES: [(&str, [usize; 6]); 3] = [
    ("7b", [4096, 11_008, 32, 32, 32, 32_000]),
    ("1b", [2048, 5504, 22, 16, 16, 32_000]),
    ("120m", [768, 2048, 12, 12, 12, 32_000]),
];
/// Bytes of one file.
const SHARD: usize = 4 << 30;

/// `SplitMix64` (Steele et al. 2014).
fn mix(x: u64) -> u64 {
    let z = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// `count` bfloat16 numbers, uniform with the deviation 1/√inputs, or ones.
fn numbers(seed: u64, count: usize, inputs: usize) -> Vec<u8> {
    let scale = (3.0 / inputs as f32).sqrt();
    let mut out = vec![0u8; 2 * count];
    out.par_chunks_mut(2 << 16).enumerate().for_each(|(chunk, bytes)| {
        for (i, pair) in bytes.chunks_exact_mut(2).enumerate() {
            let unit = (mix(seed ^ ((chunk << 16) + i) as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            let value = if inputs == 0 { 1.0 } else { unit * scale };
            pair.copy_from_slice(&((value.to_bits() >> 16) as u16).to_le_bytes());
        }
    });
    out
}

/// A tensor of the model.
struct Planned {
    name: String,
    shape: Vec<usize>,
}

impl Planned {
    fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn bytes(&self) -> usize {
        2 * self.count()
    }

    /// 0 for norms.
    fn inputs(&self) -> usize {
        self.shape.get(1).copied().unwrap_or(0)
    }
}

/// A llama's tensors.
fn tensors([d, inner, blocks, heads, kv, vocab]: [usize; 6]) -> Vec<Planned> {
    let kv = kv * (d / heads);
    let planned = |name: String, shape: Vec<usize>| Planned { name, shape };
    let mut out = vec![planned("model.embed_tokens.weight".into(), vec![vocab, d])];
    for b in 0..blocks {
        let mut add = |stem: &str, shape| out.push(planned(format!("model.layers.{b}.{stem}.weight"), shape));
        for (stem, rows) in [("q", d), ("k", kv), ("v", kv)] {
            add(&format!("self_attn.{stem}_proj"), vec![rows, d]);
        }
        add("self_attn.o_proj", vec![d, d]);
        add("mlp.gate_proj", vec![inner, d]);
        add("mlp.up_proj", vec![inner, d]);
        add("mlp.down_proj", vec![d, inner]);
        add("input_layernorm", vec![d]);
        add("post_attention_layernorm", vec![d]);
    }
    out.push(planned("model.norm.weight".into(), vec![d]));
    out.push(planned("lm_head.weight".into(), vec![vocab, d]));
    out
}

fn make(folder: &Path, shape: [usize; 6]) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let [d, inner, blocks, heads, kv, vocab] = shape;
    let config = json!({
        "model_type": "llama", "hidden_size": d, "intermediate_size": inner, "num_hidden_layers": blocks,
        "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 4096, "torch_dtype": "bfloat16",
    });
    fs::write(folder.join("config.json"), config.to_string())?;
    let tensors = tensors(shape);
    let mut shards: Vec<Vec<usize>> = Vec::new();
    let mut size = 0;
    for (i, tensor) in tensors.iter().enumerate() {
        size += tensor.bytes();
        match shards.last_mut() {
            Some(last) if size <= SHARD => last.push(i),
            _ => {
                size = tensor.bytes();
                shards.push(vec![i]);
            }
        }
    }
    let mut index = Map::new();
    for (i, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        let (mut header, mut at) = (Map::new(), 0);
        for tensor in shard.iter().map(|t| &tensors[*t]) {
            let end = at + tensor.bytes();
            let entry = json!({"dtype": "BF16", "shape": tensor.shape, "data_offsets": [at, end]});
            header.insert(tensor.name.clone(), entry);
            index.insert(tensor.name.clone(), json!(file));
            at = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut out = BufWriter::new(File::create(folder.join(&file))?);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for t in shard {
            out.write_all(&numbers(mix(*t as u64 + 1), tensors[*t].count(), tensors[*t].inputs()))?;
        }
        out.flush()?;
        println!("{file}: {:.2} GB", at as f64 / 1e9);
    }
    fs::write(folder.join("model.safetensors.index.json"), json!({"weight_map": index}).to_string())?;
    Ok(())
}

fn run(folder: &Path, prompts: usize, tokens: usize, precision: Precision) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let options = LoadOptions { precision, ..LoadOptions::default() };
    let model = Loaded::open(folder, &options)?.model;
    let spec = &model.spec;
    println!("opened and hashed in {:.1} s: {} parameters", started.elapsed().as_secs_f64(), spec.parameters());
    let ids: Vec<Vec<u32>> = (0..prompts)
        .map(|i| (0..tokens).map(|j| (mix((i * tokens + j) as u64) % spec.vocab_size as u64) as u32).collect())
        .collect();
    let mut digest = blake3::Hasher::new();
    let mut take = |tensor: &candle_core::Tensor| -> Result<(), Box<dyn Error>> {
        for x in tensor.flatten_all()?.to_vec1::<f32>()? {
            digest.update(&x.to_le_bytes());
        }
        Ok(())
    };
    let started = Instant::now();
    let prefixes = model.prefill(&ids)?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "prefill: {prompts} prompts of {tokens} tokens in {seconds:.1} s, {:.0} tokens/s",
        (prompts * tokens) as f64 / seconds
    );
    for prefix in &prefixes {
        take(prefix.residuals())?;
    }
    let vector: Arc<[f32]> = (0..spec.head_dim).map(|i| (i % 7) as f32 / 7.0 - 0.4).collect();
    let mut rows = Vec::new();
    for prefix in &prefixes {
        for b in 1..=spec.depth() {
            for h in 0..spec.heads {
                let site = Site::HeadOutput(Block(b), Head(h));
                rows.push(Row::edited(prefix, vec![Edit::last(site, Operation::Replace(vector.clone()))]));
            }
        }
    }
    let started = Instant::now();
    let replayed = model.replay(&rows)?;
    let seconds = started.elapsed().as_secs_f64();
    let blocks = rows.len() as f64 * (spec.depth() + 1) as f64 / 2.0;
    println!(
        "replay: {} head rows in {seconds:.1} s, {:.0} rows/s, {:.0} row-blocks/s",
        rows.len(),
        rows.len() as f64 / seconds,
        blocks / seconds
    );
    take(&replayed.top)?;
    println!("digest {}", digest.finalize().to_hex());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["make", folder, shape] => {
            let known = SHAPES.iter().find(|(name, _)| *name == shape);
            make(Path::new(folder), known.ok_or("shapes are 7b, 1b and 120m")?.1)
        }
        ["run", folder, prompts, tokens, ref form @ ..] => {
            let precision = match form {
                [] => Precision::Stored,
                ["f32"] => Precision::F32,
                _ => return Err("the weights are used as stored, or as f32".into()),
            };
            run(Path::new(folder), prompts.parse()?, tokens.parse()?, precision)
        }
        _ => Err("give: make FOLDER 7b|1b|120m, or: run FOLDER PROMPTS TOKENS [f32]".into()),
    }
}
