//! `steercheck check --vector`: a direction that a planted model reads, directions that it does not read, and what cannot be used.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{
    all_comparable, arm, folder, list, pattern_tokenizer, records, refusal, run, says, stderr, stdout, succeeds,
    write_tensors,
};

/// Words of the planted model that have an answer.
const WORDS: usize = 60;
/// Width of its residual stream.
const WIDTH: usize = 160;
/// The entry of the residual stream that holds the model back from answering.
const HELD_BACK: usize = WIDTH - 1;

/// The planted model: word i is answered by word WORDS + i, but a token that says nothing is more probable as long as an entry of
/// the residual stream is as the embeddings make it. Attention and MLP add nothing. A vector against that entry lets the answers through.
fn planted_model(folder: &Path) {
    let tokens = ["?", "\n", " quiet"].map(String::from);
    let texts =
        tokens.into_iter().chain((0..WORDS).map(|i| format!("q{i}"))).chain((0..WORDS).map(|i| format!(" a{i}")));
    let vocab: serde_json::Map<String, Value> = texts.enumerate().map(|(id, text)| (text, json!(id))).collect();
    let size = vocab.len();
    let (first, quiet) = (3, 2);
    let mut embedding = vec![0f32; size * WIDTH];
    let mut head = vec![0f32; size * WIDTH];
    for word in 0..WORDS {
        embedding[(first + word) * WIDTH + word] = 4.0;
        head[(first + WORDS + word) * WIDTH + word] = 1.0;
    }
    for token in 0..size {
        embedding[token * WIDTH + HELD_BACK] = 4.0;
    }
    head[quiet * WIDTH + HELD_BACK] = 1.5;
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": size, "hidden_size": WIDTH,
        "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": false
    });
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = vec![
        ("model.embed_tokens.weight".into(), vec![size, WIDTH], embedding),
        ("lm_head.weight".into(), vec![size, WIDTH], head),
        ("model.norm.weight".into(), vec![WIDTH], vec![1.0; WIDTH]),
    ];
    for block in 0..2 {
        let name = |part: &str| format!("model.layers.{block}.{part}.weight");
        for part in ["input_layernorm", "post_attention_layernorm"] {
            tensors.push((name(part), vec![WIDTH], vec![1.0; WIDTH]));
        }
        for part in ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"] {
            tensors.push((name(part), vec![WIDTH, WIDTH], vec![0.0; WIDTH * WIDTH]));
        }
        for (part, shape) in [("mlp.gate_proj", [8, WIDTH]), ("mlp.up_proj", [8, WIDTH]), ("mlp.down_proj", [WIDTH, 8])]
        {
            tensors.push((name(part), shape.to_vec(), vec![0.0; 8 * WIDTH]));
        }
    }
    let planted = folder.join("planted");
    std::fs::create_dir_all(&planted).unwrap();
    write_tensors(&planted.join("model.safetensors"), &tensors);
    std::fs::write(planted.join("config.json"), config.to_string()).unwrap();
    std::fs::write(planted.join("tokenizer.json"), pattern_tokenizer(" ?\\w+|\\W", &vocab).to_string()).unwrap();
}

/// The planted model, the vector that it reads, one that it does not, and its task, as whole prompts with choices or without.
fn prepared() -> tempfile::TempDir {
    let here = folder();
    planted_model(here.path());
    let mut reads = vec![0f32; WIDTH];
    reads[HELD_BACK] = -4.0;
    let noise: Vec<f32> = (0..WIDTH).map(|i| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0).collect();
    let norm = noise.iter().map(|x| x * x).sum::<f32>().sqrt();
    let noise = noise.iter().map(|x| 4.0 * x / norm).collect();
    for (name, vector) in [("reads", reads), ("noise", noise)] {
        let path = here.path().join(format!("{name}.safetensors"));
        write_tensors(&path, &[("vector".into(), vec![WIDTH], vector)]);
    }
    let lines = |choices: bool| -> String {
        let line = |i: usize| {
            let mut item = json!({"prompt": format!("q{i}"), "answer": format!("a{i}")});
            if choices {
                // The quiet token is what the unsteered model says.
                item["choices"] = json!([format!("a{i}"), "quiet", format!("a{}", (i + 1) % WORDS)]);
            }
            format!("{item}\n")
        };
        (0..WORDS).map(line).collect()
    };
    std::fs::write(here.path().join("open.jsonl"), lines(false)).unwrap();
    std::fs::write(here.path().join("choices.jsonl"), lines(true)).unwrap();
    here
}

fn card(here: &Path, task: &str, vector: &str, options: &[&str]) -> Value {
    let arguments = ["check", "planted", "--tasks", task, "--vector", vector, "--format", "json"];
    let arguments: Vec<&str> = arguments.iter().chain(options).copied().collect();
    let cards: Value = serde_json::from_str(&succeeds(here, &arguments)).unwrap();
    list(&cards)[0].clone()
}

#[test]
fn a_vector_that_the_planted_model_reads_is_reliable_and_one_that_it_does_not_read_is_not() {
    let here = prepared();
    for task in ["open.jsonl", "choices.jsonl"] {
        for options in [&["--where", "last"], &["--where", "all"]] {
            let planted = card(here.path(), task, "reads.safetensors@1", options);
            assert_eq!(planted["verdict"], "reliable", "{planted}");
            assert!(planted["effect"]["point"].as_f64().unwrap() > 0.9, "{planted}");
            let noise = card(here.path(), task, "noise.safetensors@1", options);
            assert_eq!(noise["verdict"], "no-effect", "{noise}");
        }
    }
}

#[test]
fn a_vector_that_takes_right_answers_away_is_harmful() {
    let here = prepared();
    let lines: String =
        (0..WORDS).map(|i| json!({"prompt": format!("q{i}"), "answer": "quiet"}).to_string() + "\n").collect();
    std::fs::write(here.path().join("quiet.jsonl"), lines).unwrap();
    let card = card(here.path(), "quiet.jsonl", "reads.safetensors@2*1", &[]);
    assert_eq!(card["verdict"], "harmful", "{card}");
}

#[test]
fn strength_zero_gives_equal_outcomes_bit_for_bit() {
    let here = prepared();
    succeeds(here.path(), &["check", "planted", "--tasks", "choices.jsonl", "--vector", "reads.safetensors@1*0"]);
    let record = &records(here.path())[0];
    let bare = |name: &str| {
        let mut outcomes = list(&arm(record, name)["outcomes"]).to_vec();
        for outcome in &mut outcomes {
            outcome.as_object_mut().unwrap().remove("receipts");
        }
        outcomes
    };
    for name in ["steered", "zero", "random-direction", "permuted"] {
        assert_eq!(bare(name), bare("zero-shot"), "{name}");
    }
}

#[test]
fn a_vectors_record_depends_on_its_numbers_and_not_on_its_files_name() {
    let here = prepared();
    let key = |vector: &str| card(here.path(), "open.jsonl", vector, &[])["subject"].clone().to_string();
    key("reads.safetensors@1");
    std::fs::copy(here.path().join("reads.safetensors"), here.path().join("other name.safetensors")).unwrap();
    key("other name.safetensors@1");
    assert_eq!(records(here.path()).len(), 1, "the same cell");
    key("other name.safetensors@1*2");
    key("other name.safetensors@2");
    assert_eq!(records(here.path()).len(), 3);
}

#[test]
fn three_seeds_redraw_placebos_and_demonstrations_and_keep_the_items() {
    let here = prepared();
    let card = card(here.path(), "open.jsonl", "reads.safetensors@1", &["--profile", "standard"]);
    assert_eq!(list(&card["seeds"]).len(), 3);
    let records = all_comparable(here.path());
    let inputs =
        |r: &Value| list(&r["results"]["items"]["test"]).iter().map(|i| i["input"].clone()).collect::<Vec<_>>();
    assert!(records.windows(2).all(|w| inputs(&w[0]) == inputs(&w[1])));
    assert!(records.windows(2).all(|w| arm(&w[0], "random-direction") != arm(&w[1], "random-direction")));
    assert!(records.windows(2).all(|w| arm(&w[0], "steered") == arm(&w[1], "steered")));
}

#[test]
fn what_is_reported_names_the_vector_its_arms_and_its_placebos() {
    let here = prepared();
    let output =
        run(here.path(), &["check", "planted", "--tasks", "open.jsonl", "--vector", "reads.safetensors@1*1.5"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    let parts = [
        "Given vector (residual 1, strength 1.5, where last): per cent right",
        "permuted",
        "open: reliable: steering gains +100 points",
    ];
    says(&text, &parts);
    assert!(text.lines().all(|l| l.chars().count() <= 110), "{text}");
}

#[test]
fn vectors_and_prompts_that_cannot_be_used_end_in_one_sentence() {
    let here = prepared();
    write_tensors(&here.path().join("wide.safetensors"), &[("vector".into(), vec![8], vec![1.0; 8])]);
    std::fs::write(here.path().join("few.jsonl"), "{\"prompt\": \"q1\", \"answer\": \"a1\"}\n").unwrap();
    std::fs::write(here.path().join("typo.jsonl"), "{\"prompt\": \"q1\", \"anwser\": \"a1\"}\n").unwrap();
    let cases: [(&str, &str, &[&str]); 7] = [
        ("open.jsonl", "missing.safetensors@1", &["missing.safetensors"]),
        ("open.jsonl", "reads.safetensors", &["@BLOCK"]),
        ("open.jsonl", "reads.safetensors@9", &["block 9", "blocks 1 to 2"]),
        ("open.jsonl", "wide.safetensors@1", &["8", "160"]),
        ("open.jsonl", "reads.safetensors@1*strong", &["strong", "not a finite number"]),
        ("few.jsonl", "reads.safetensors@1", &["1 usable items", "8 are needed"]),
        ("typo.jsonl", "reads.safetensors@1", &["anwser", "answer"]),
    ];
    for (task, vector, parts) in cases {
        if vector.ends_with("strong") {
            let output = run(here.path(), &["check", "planted", "--tasks", task, "--vector", vector]);
            assert_eq!(output.status.code(), Some(2));
            says(&stderr(&output), parts);
        } else {
            says(&refusal(here.path(), &["check", "planted", "--tasks", task, "--vector", vector]), parts);
        }
    }
    let both = run(here.path(), &["check", "planted", "--vector", "reads.safetensors@1", "--protocol", "study"]);
    assert_eq!(both.status.code(), Some(2));
    let alone = run(here.path(), &["check", "planted", "--where", "all"]);
    assert_eq!(alone.status.code(), Some(2));
    says(&stderr(&alone), &["--vector"]);
}
