//! A model whose weights are written by a formula: demonstrations teach it a task through two heads that are known.
//!
//! Word i is answered by its partner. Codes of 32 signs stand for words; every input word's embedding holds its partner's code.
//!
//! * Block 1, head 0 copies the partner's code of the word two tokens back to every token: at an answer, that of the question. The MLP multiplies
//!   it with the answer's own code: their dot product is 1 where the answer is right.
//! * Block 2, heads 0 and 1 average these products over all answers before, half each, at the tokens where an answer is due and nowhere else:
//!   the task, large behind right demonstrations and about 0 behind wrong ones. Head 2 only reads: it fetches the partner's code of the last
//!   question.
//! * Block 3's MLP lets that code out as far as the task is there.
//!
//! All other heads add a little noise.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::common::{pattern_tokenizer, write_tensors};

/// Pairs of words.
pub(crate) const WORDS: usize = 120;
const CODE: usize = 32;
const WIDTH: usize = 192;
const HEADS: usize = 4;
const HEAD: usize = 64;
const INNER: usize = 64;
const BLOCKS: usize = 3;
const THETA: f64 = 1e12;

// Entries of the residual stream.
const ONE: usize = 0;
const IS_ANSWER: usize = 1;
const IS_QUESTION: usize = 2;
const MATCH: usize = 3;
const TASK: usize = 4;
const BOS: usize = 5;
const FILL: usize = 6;
const DUE: usize = 7;
const OWN: usize = 8;
const PARTNER: usize = OWN + CODE;
const PAIRED: usize = PARTNER + CODE;
const ASKED: usize = PAIRED + CODE;
const OUT: usize = ASKED + CODE;

/// A sign that looks random, of a word's code.
fn sign(word: usize, i: usize) -> f32 {
    let mut x = (word as u64 * 1_000_003 + i as u64 * 7_919 + 12_345).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    if (x >> 60) & 1 == 0 { 1.0 } else { -1.0 }
}

/// A matrix `[rows, columns]` of small noise or zeros.
struct Matrix {
    columns: usize,
    numbers: Vec<f32>,
}

impl Matrix {
    fn zeros(rows: usize, columns: usize) -> Self {
        Self { columns, numbers: vec![0.0; rows * columns] }
    }

    fn set(&mut self, row: usize, column: usize, x: f32) {
        self.numbers[row * self.columns + column] = x;
    }

    /// Noise in these rows.
    fn noise(&mut self, rows: std::ops::Range<usize>, scale: f32, seed: usize) {
        for row in rows {
            for column in 0..self.columns {
                self.set(row, column, scale * sign(row * 31 + seed, column));
            }
        }
    }
}

/// Queries that look for the token `back` tokens before (none: as near as can be) with a flag, the same in every token; keys that show
/// where they stand and their flag; values that copy.
struct Attention {
    query: Matrix,
    key: Matrix,
    value: Matrix,
    output: Matrix,
}

impl Attention {
    fn new() -> Self {
        let square = |a: usize, b: usize| Matrix::zeros(a, b);
        let inner = HEADS * HEAD;
        Self {
            query: square(inner, WIDTH),
            key: square(inner, WIDTH),
            value: square(inner, WIDTH),
            output: square(WIDTH, inner),
        }
    }

    /// A head that goes by the distance: four fast rotary pairs agree where it is `back`.
    fn by_distance(&mut self, head: usize, back: f64, sharpness: f32) {
        for pair in 0..8 {
            let angle = back * THETA.powf(-(pair as f64) / (HEAD as f64 / 2.0));
            let row = head * HEAD + pair;
            self.query.set(row, ONE, sharpness * angle.cos() as f32);
            self.query.set(row + HEAD / 2, ONE, -sharpness * angle.sin() as f32);
            self.key.set(row, ONE, 1.0);
        }
    }

    /// A head that looks for one flag from tokens with another, in a rotary pair of its own that is too slow to turn.
    fn by_flags(&mut self, head: usize, (from, to): (usize, usize), sharpness: f32) {
        let row = head * HEAD + 16 + to;
        self.query.set(row, from, sharpness);
        self.key.set(row, to, 1.0);
    }

    /// A head that moves `n` entries from one place to another.
    fn copies(&mut self, head: usize, from: usize, to: usize, n: usize, scale: f32) {
        for i in 0..n {
            self.value.set(head * HEAD + i, from + i, 1.0);
            self.output.set(to + i, head * HEAD + i, scale);
        }
    }

    fn noise(&mut self, head: usize, seed: usize) {
        let rows = head * HEAD..(head + 1) * HEAD;
        self.value.noise(rows.clone(), 0.02, seed);
        for row in OWN..WIDTH {
            for column in rows.clone() {
                self.output.set(row, column, 0.01 * sign(row * 17 + seed, column));
            }
        }
    }
}

/// Writes the model as `planted` in a folder, with a tokenizer that adds a BOS token or does not, and its task `pairs.tsv`.
pub(crate) fn planted(folder: &Path, adds_bos: bool) {
    let fixed = ["?", "<s>", "Q:", "\nA:", "\n\n"].map(String::from);
    let first = fixed.len();
    let letters = |i: usize| {
        let letter = |n: usize| char::from(b'a' + n as u8);
        format!("{}{}", letter(i / 26), letter(i % 26))
    };
    let texts = fixed
        .into_iter()
        .chain((0..WORDS).map(|i| format!(" q{}", letters(i))))
        .chain((0..WORDS).map(|i| format!(" r{}", letters(i))));
    let vocab: Map<String, Value> = texts.enumerate().map(|(id, text)| (text, json!(id))).collect();
    let size = vocab.len();

    let mut embedding = Matrix::zeros(size, WIDTH);
    let mut head = Matrix::zeros(size, WIDTH);
    for token in 0..size {
        embedding.set(token, ONE, 10.0);
    }
    // All embeddings have the same norm.
    let rest = (16.0 + CODE as f32).sqrt();
    for (token, entry) in [FILL, BOS, FILL, DUE, FILL].into_iter().enumerate() {
        embedding.set(token, entry, rest);
    }
    for word in 0..WORDS {
        let (question, answer) = (first + word, first + WORDS + word);
        embedding.set(question, IS_QUESTION, 4.0);
        embedding.set(answer, IS_ANSWER, 4.0);
        for i in 0..CODE {
            embedding.set(question, PARTNER + i, sign(word, i));
            embedding.set(answer, OWN + i, sign(word, i));
            head.set(answer, OUT + i, sign(word, i));
        }
    }
    // An empty line is what comes where nothing else does.
    head.set(4, ONE, 3.4);

    let mut tensors = vec![
        ("model.embed_tokens.weight".to_string(), vec![size, WIDTH], embedding.numbers),
        ("lm_head.weight".to_string(), vec![size, WIDTH], head.numbers),
        ("model.norm.weight".to_string(), vec![WIDTH], vec![1.0; WIDTH]),
    ];
    for block in 0..BLOCKS {
        let (attention, mlp) = weights(block);
        let name = |part: &str| format!("model.layers.{block}.{part}.weight");
        for part in ["input_layernorm", "post_attention_layernorm"] {
            tensors.push((name(part), vec![WIDTH], vec![1.0; WIDTH]));
        }
        let Attention { query, key, value, output } = attention;
        for (part, matrix) in [("q", query), ("k", key), ("v", value)] {
            tensors.push((name(&format!("self_attn.{part}_proj")), vec![HEADS * HEAD, WIDTH], matrix.numbers));
        }
        tensors.push((name("self_attn.o_proj"), vec![WIDTH, HEADS * HEAD], output.numbers));
        for (part, shape, matrix) in [
            ("gate", vec![INNER, WIDTH], mlp.0),
            ("up", vec![INNER, WIDTH], mlp.1),
            ("down", vec![WIDTH, INNER], mlp.2),
        ] {
            tensors.push((name(&format!("mlp.{part}_proj")), shape, matrix.numbers));
        }
    }
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": size, "hidden_size": WIDTH,
        "intermediate_size": INNER, "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "head_dim": HEAD, "max_position_embeddings": 512, "rms_norm_eps": 1e-6,
        "rope_theta": THETA, "hidden_act": "silu", "tie_word_embeddings": false
    });
    let mut tokenizer = pattern_tokenizer("Q:|\\nA:|\\n\\n| [a-z]+", &vocab);
    if adds_bos {
        tokenizer["added_tokens"] = json!([{"id": 1, "content": "<s>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}]);
        tokenizer["post_processor"] = json!({"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}});
    }
    let planted = folder.join("planted");
    std::fs::create_dir_all(&planted).unwrap();
    write_tensors(&planted.join("model.safetensors"), &tensors);
    std::fs::write(planted.join("config.json"), config.to_string()).unwrap();
    std::fs::write(planted.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let lines: Vec<String> = (0..WORDS).map(|i| format!("q{}\tr{}", letters(i), letters(i))).collect();
    std::fs::write(folder.join("pairs.tsv"), lines.join("\n")).unwrap();
}

/// Attention and MLP (gate, up, down) of a block.
fn weights(block: usize) -> (Attention, (Matrix, Matrix, Matrix)) {
    let mut a = Attention::new();
    let (mut gate, mut up, mut down) =
        (Matrix::zeros(INNER, WIDTH), Matrix::zeros(INNER, WIDTH), Matrix::zeros(WIDTH, INNER));
    for head in 0..HEADS {
        let known = matches!((block, head), (0, 0) | (1, 0..=2));
        if !known {
            a.noise(head, block * HEADS + head);
        }
    }
    match block {
        0 => {
            a.by_distance(0, 2.0, 3.0);
            a.by_flags(0, (ONE, IS_QUESTION), 3.0);
            a.copies(0, PARTNER, PAIRED, CODE, 1.0);
            for i in 0..CODE {
                for (row, s) in [(i, 1.0), (CODE + i, -1.0)] {
                    gate.set(row, OWN + i, 12.0 * s);
                    up.set(row, PAIRED + i, s);
                    down.set(MATCH, row, 0.01);
                }
            }
        }
        1 => {
            for head in [0, 1] {
                a.by_flags(head, (DUE, IS_ANSWER), 12.0);
                a.by_flags(head, (ONE, FILL), 3.0);
                a.copies(head, MATCH, TASK, 1, 1.0);
            }
            a.by_distance(2, 1.0, 3.0);
            a.by_flags(2, (ONE, IS_QUESTION), 3.0);
            a.copies(2, PARTNER, ASKED, CODE, 1.0);
        }
        _ => {
            for i in 0..CODE {
                gate.set(i, TASK, 1.5);
                gate.set(i, ONE, -0.38);
                up.set(i, ASKED + i, 1.0);
                down.set(OUT + i, i, 0.5);
            }
        }
    }
    (a, (gate, up, down))
}
