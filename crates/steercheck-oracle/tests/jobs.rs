//! Job files: what is read, what is refused, and in which words.

mod common;

use serde_json::{Value, json};
use steercheck_oracle::jobs::{HeadKind, Heads, Kind, TensorRef, Work};
use steercheck_oracle::{Array, Error, JobFile, TensorFile, Values, tensors};

/// One job of every kind, for a model with 100 tokens, 4 blocks and 2 heads.
fn every_kind() -> Value {
    let dola = json!({"alpha": 0.1, "candidates": [0, 3], "norm": "none", "post_softmax": true, "divergence": "paper"});
    json!({"format": 1, "note": "sample", "jobs": [
        {"name": "logits", "kind": "logits", "ids": [1, 2, 99], "positions": [0, 2], "text": "ignored"},
        {"name": "mean", "kind": "mean_heads", "prompts": [[1], [2, 3]]},
        {"name": "cie", "kind": "cie", "mean_heads": "mean/mean", "prompts": [{"ids": [1], "answer": 2}]},
        {"name": "fv", "kind": "function_vector", "mean_heads": {"file": "means.safetensors", "tensor": "mean/mean"},
         "heads": {"from": "cie/delta", "top": 8}, "layers": [1, 4], "lambdas": [0.5, -2],
         "prompts": [{"ids": [1, 2], "answer": 3}]},
        {"name": "fv_list", "kind": "function_vector", "mean_heads": "mean/mean", "heads": [[0, 0], [3, 1]],
         "layers": [1], "lambdas": [1.0], "prompts": [{"ids": [1, 2], "answer": 3}]},
        {"name": "tv", "kind": "task_vector", "items": [{"dummies": [[1, 2], [3]], "ids": [4], "answer": 5}]},
        {"name": "dola", "kind": "dola", "pairs": [{"prefix": [1], "continuation": [2, 3]}], "configs": [dola]},
        {"name": "lens", "kind": "lens", "head": "weight", "prompts": [{"ids": [1, 2], "position": 1, "tokens": [7, 8]}]}
    ]})
}

fn parse(file: &Value) -> Result<JobFile, Error> {
    JobFile::parse(&file.to_string())
}

/// What the check says of the sample after the value at a JSON pointer was replaced.
fn check_with(pointer: &str, value: Value) -> String {
    let mut file = every_kind();
    *file.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    parse(&file).unwrap().check(100, 4, 2).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

#[test]
fn job_files_of_the_reference_are_read_and_can_be_run() {
    let Some(folder) = common::jobs_folder() else {
        return;
    };
    for (model, vocab_size, layers, heads) in [
        ("gemma2", 160, 4, 4),
        ("gpt_neox_parallel", 160, 2, 4),
        ("llama_llama3rope", 160, 3, 4),
        ("smollm2", 49152, 30, 9),
    ] {
        let file = JobFile::read(&folder.join(format!("{model}.json"))).unwrap();
        file.check(vocab_size, layers, heads).unwrap_or_else(|error| panic!("{model}: {error}"));
        assert!(file.check(vocab_size, 1, heads).is_err(), "{model} names layers beyond the first");
        let named: Vec<_> = file.jobs.iter().map(|job| job.name.clone()).collect();
        let golden = tensors::read(&folder.join(format!("{model}.golden.safetensors"))).unwrap();
        assert!(named.iter().all(|job| golden.keys().any(|name| name.starts_with(&format!("{job}/")))), "{model}");
    }
}

#[test]
fn every_kind_is_read() {
    let file = parse(&every_kind()).unwrap();
    assert_eq!(file.note.as_deref(), Some("sample"));
    let kinds: Vec<_> = file.jobs.iter().map(steercheck_oracle::jobs::Job::kind).collect();
    let fv = Kind::FunctionVector;
    assert_eq!(kinds, [Kind::Logits, Kind::MeanHeads, Kind::Cie, fv, fv, Kind::TaskVector, Kind::Dola, Kind::Lens]);
    file.check(100, 4, 2).unwrap();

    let Work::FunctionVector(top) = &file.jobs[3].work else { panic!("not a function vector") };
    assert!(matches!(&top.mean_heads, TensorRef::File { tensor, .. } if tensor == "mean/mean"));
    assert!(matches!(&top.heads, Heads::Top { from: TensorRef::Job(from), top: 8 } if from == "cie/delta"));
    let Work::FunctionVector(list) = &file.jobs[4].work else { panic!("not a function vector") };
    assert_eq!(list.heads, Heads::List(vec![[0, 0], [3, 1]]));
    let Work::TaskVector(task) = &file.jobs[5].work else { panic!("not a task vector") };
    assert_eq!(task.layers(4), [1, 2, 3, 4], "all layers, where none are named");
    let Work::Dola(dola) = &file.jobs[6].work else { panic!("not DoLa") };
    assert_eq!(dola.configs[0].mature_head, HeadKind::Full);
    let Work::Lens(lens) = &file.jobs[7].work else { panic!("not a lens") };
    assert_eq!(lens.head, HeadKind::Weight);
}

#[test]
fn malformed_files_are_refused_in_one_sentence() {
    let job = |job: Value| json!({"format": 1, "jobs": [job]}).to_string();
    for (text, said) in [
        ("{".to_owned(), "not a job file: EOF"),
        ("[]".to_owned(), "not a job file: invalid"),
        (r#"{"jobs": []}"#.to_owned(), "not a job file: missing field `format`"),
        (r#"{"format": 1}"#.to_owned(), "not a job file: missing field `jobs`"),
        (r#"{"format": 2, "jobs": 5}"#.to_owned(), "the job file has format 2, and only format 1 is understood"),
        (job(json!({"kind": "cie"})), "job number 1: missing field `name`"),
        (job(json!({"name": "a"})), "job a: missing field `kind`"),
        (
            job(json!({"name": "a", "kind": "sing"})),
            "job a: unknown variant `sing`, expected one of `logits`, `mean_heads`",
        ),
        (
            job(json!({"name": "a", "kind": "logits", "ids": [-1], "positions": [0]})),
            "job a: invalid value: integer `-1`",
        ),
        (job(json!({"name": "a", "kind": "logits", "ids": [1]})), "job a: missing field `positions`"),
        (
            job(json!({"name": "a", "kind": "cie", "mean_heads": 3, "prompts": []})),
            r#"job a: a tensor must be named as "job/name" or {"file": path, "tensor": name}"#,
        ),
        (
            job(json!({"name": "a", "kind": "function_vector", "mean_heads": "m/mean", "heads": [[1]], "layers": [1],
                       "lambdas": [1], "prompts": []})),
            r#"job a: heads must be a list of [block, head] or {"from": tensor, "top": number}"#,
        ),
    ] {
        let error = JobFile::parse(&text).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}\nexpected {said}");
    }
}

/// A place in the sample, what is put there (JSON), and what the check then says.
const UNUSABLE: [(&str, &str, &str); 38] = [
    ("/jobs", "[]", "the job file lists no jobs"),
    (
        "/jobs/0/name",
        r#""a/b""#,
        "job a/b: a job's name must not be empty or contain a slash, since its tensors are named job/name",
    ),
    ("/jobs/1/name", r#""logits""#, "job logits: an earlier job has the same name"),
    ("/jobs/0/ids", "[]", "job logits: ids is empty"),
    ("/jobs/0/ids/0", "100", "job logits: ids has token 100, and the model has 100 tokens"),
    ("/jobs/0/positions", "[]", "job logits: positions is empty"),
    ("/jobs/0/positions/0", "3", "job logits: positions has position 3, and the prompt has 3 tokens"),
    ("/jobs/1/prompts", "[]", "job mean: prompts is empty"),
    ("/jobs/1/prompts/1", "[]", "job mean: prompts[1] is empty"),
    ("/jobs/2/prompts", "[]", "job cie: prompts is empty"),
    ("/jobs/2/prompts/0/ids", "[]", "job cie: prompts[0].ids is empty"),
    (
        "/jobs/2/prompts/0/answer",
        "4000000000",
        "job cie: prompts[0].answer has token 4000000000, and the model has 100 tokens",
    ),
    (
        "/jobs/2/mean_heads",
        r#""lens/mean""#,
        "job cie: mean_heads is lens/mean, and must be JOB/mean with an earlier job of kind mean_heads",
    ),
    (
        "/jobs/2/mean_heads",
        r#""mean""#,
        "job cie: mean_heads is mean, and must be JOB/mean with an earlier job of kind mean_heads",
    ),
    (
        "/jobs/3/heads/from",
        r#""cie/clean""#,
        "job fv: heads.from is cie/clean, and must be JOB/delta with an earlier job of kind cie",
    ),
    ("/jobs/3/heads/top", "9", "job fv: heads.top is 9, and the model has 8 heads"),
    ("/jobs/3/heads/top", "0", "job fv: heads.top is 0, and the model has 8 heads"),
    ("/jobs/3/layers", "[]", "job fv: layers is empty"),
    ("/jobs/3/layers/0", "0", "job fv: layers has 0, and must be among 1 to 4"),
    ("/jobs/3/layers/0", "5", "job fv: layers has 5, and must be among 1 to 4"),
    ("/jobs/3/lambdas", "[]", "job fv: lambdas is empty"),
    ("/jobs/4/heads", "[]", "job fv_list: heads is empty"),
    ("/jobs/4/heads/0", "[4, 0]", "job fv_list: heads[0] names block 4, and the model has 4 blocks"),
    ("/jobs/4/heads/1", "[0, 2]", "job fv_list: heads[1] names head 2, and the model has 2 heads"),
    ("/jobs/5/items", "[]", "job tv: items is empty"),
    ("/jobs/5/items/0/dummies", "[]", "job tv: items[0].dummies is empty"),
    ("/jobs/5/items/0/dummies/1", "[]", "job tv: items[0].dummies[1] is empty"),
    ("/jobs/5/items/0/ids", "[]", "job tv: items[0].ids is empty"),
    ("/jobs/6/pairs", "[]", "job dola: pairs is empty"),
    ("/jobs/6/pairs/0/prefix", "[]", "job dola: pairs[0].prefix is empty"),
    ("/jobs/6/pairs/0/continuation", "[]", "job dola: pairs[0].continuation is empty"),
    ("/jobs/6/configs", "[]", "job dola: configs is empty"),
    ("/jobs/6/configs/0/candidates", "[]", "job dola: configs[0].candidates is empty"),
    (
        "/jobs/6/configs/0/candidates/1",
        "4",
        "job dola: configs[0].candidates names layer 4, and candidates must be among 0 to 3",
    ),
    ("/jobs/6/configs/0/alpha", "-0.1", "job dola: configs[0].alpha is -0.1, and must lie between 0 and 1"),
    ("/jobs/7/prompts", "[]", "job lens: prompts is empty"),
    ("/jobs/7/prompts/0/position", "2", "job lens: prompts[0].position has position 2, and the prompt has 2 tokens"),
    ("/jobs/7/prompts/0/tokens/1", "100", "job lens: prompts[0].tokens has token 100, and the model has 100 tokens"),
];

#[test]
fn jobs_that_a_model_cannot_run_are_refused_in_one_sentence() {
    for (pointer, value, said) in UNUSABLE {
        assert_eq!(check_with(pointer, serde_json::from_str(value).unwrap()), said, "{pointer}");
    }
    assert_eq!(check_with("/jobs/0/ids/0", json!(99)), "fine");
}

#[test]
fn reference_to_a_later_job_is_refused() {
    let mut file = every_kind();
    file["jobs"].as_array_mut().unwrap().swap(1, 2);
    let error = parse(&file).unwrap().check(100, 4, 2).unwrap_err().to_string();
    assert!(error.starts_with("job cie: mean_heads is mean/mean, and must be"), "{error}");
}

#[test]
fn prompts_of_a_lens_look_at_the_same_number_of_tokens() {
    let prompts = json!([{"ids": [1], "position": 0, "tokens": [1, 2]}, {"ids": [1], "position": 0, "tokens": [1]}]);
    let said = check_with("/jobs/7/prompts", prompts);
    assert_eq!(said, "job lens: prompts[1].tokens has 1 tokens, and prompts[0].tokens 2");
}

#[test]
fn tensor_references_are_resolved_among_results_and_in_files() {
    let mean = Array::new(&[1, 1, 2], Values::F32(vec![1.0, 2.0]));
    let done: TensorFile = [("mean/mean".to_owned(), mean.clone())].into();
    let folder = tempfile::tempdir().unwrap();
    tensors::write(&folder.path().join("means.safetensors"), &done).unwrap();
    let load = |reference: Value, done: &TensorFile| {
        serde_json::from_value::<TensorRef>(reference).unwrap().load(done, folder.path())
    };
    assert_eq!(load(json!("mean/mean"), &done).unwrap(), mean);
    let in_file = json!({"file": "means.safetensors", "tensor": "mean/mean"});
    assert_eq!(load(in_file, &TensorFile::new()).unwrap(), mean);
    let error = load(json!("mean/mean"), &TensorFile::new()).unwrap_err().to_string();
    assert_eq!(error, "tensor mean/mean is not among the results of earlier jobs");
    assert!(load(json!({"file": "means.safetensors", "tensor": "other"}), &done).is_err());
    assert!(load(json!({"file": "absent.safetensors", "tensor": "mean/mean"}), &done).is_err());
    assert!(matches!(
        load(json!({"file": "means.safetensors", "tensor": "x"}), &done),
        Err(Error::NoSuchTensor { .. })
    ));
}
