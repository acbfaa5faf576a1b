//! A store as large as the published study: 36 models × 27 tasks, two methods each, made from two small records.
//!
//! `STEERCHECK_LARGE_STORE=FOLDER cargo test --workspace --test it large_store` leaves it there, to time `steercheck report` with.

use std::path::{Path, PathBuf};

use steercheck_eval::Record;
use steercheck_eval::record::{Outcome, Point, Setting, Value};

use crate::common::{folder, roomy_model_of, says, succeeds, word_task};

const MODELS: usize = 36;
const TASKS: usize = 27;
const ITEMS: usize = 50;
const BLOCKS: usize = 32;
const HEADS: usize = 32;

/// A record of task vectors and one of function vectors of a tiny model; none where the fixtures are missing.
fn small(here: &Path) -> Option<Vec<Record>> {
    roomy_model_of(here, "tiny", "llama_llama3rope")?;
    word_task(here, "words.tsv", 150);
    let study = "models = [\"tiny\"]\ntasks = [\"words.tsv\"]\nseeds = 1\nside-effects = false\n[items]\ndev = 5\ntest = 5\n[tv]\n[fv]\n\
                 strengths = [1, 4]\nheads = [2, 4]\n";
    std::fs::write(here.join("study.toml"), study).unwrap();
    succeeds(here, &["study", "run", "study.toml", "--store", "small"]);
    Some(Record::read_all(&here.join("small")).unwrap())
}

/// Numbers that look random and are the same every time.
struct Draws(u64);

impl Draws {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn hits(&mut self, rate: f64) -> usize {
        (0..ITEMS).filter(|_| self.share() < rate).count()
    }
}

/// The record of another model on another task, as large as real ones are.
fn varied(of: &Record, model: usize, task: usize) -> Record {
    let mut record = of.clone();
    let mut draws = Draws((1 + model * 1000 + task) as u64 ^ u64::from(of.plan.method.name == "function-vector") << 40);
    let name = format!("family{}-{}b", model / 3, 1 + model % 3 * 6);
    record.about.model.family = format!("family{}", model / 3);
    record.about.model.name.clone_from(&name);
    record.about.model.parameters = (1 + model as u64 % 3 * 6) * 1_000_000_000;
    (record.about.model.blocks, record.about.model.heads) = (BLOCKS, HEADS);
    record.plan.model.weights = like_a_hash(&name);
    record.about.model.weights_hash.clone_from(&record.plan.model.weights);
    record.about.task.name = format!("{}_task_{task}", ["linguistic", "knowledge", "translation"][task % 3]);
    record.plan.task = like_a_hash(&record.about.task.name);
    (record.plan.counts.dev, record.plan.counts.test) = (ITEMS, ITEMS);
    let results = &mut record.results;
    for list in [&mut results.items.dev, &mut results.items.test] {
        *list = list.iter().cycle().take(ITEMS).cloned().collect();
    }
    let steered = draws.share();
    for arm in &mut results.arms {
        let rate = match arm.name.as_str() {
            "few-shot" => 0.9,
            "steered" => 0.9 * steered,
            _ => 0.1,
        };
        let mut zero = Draws(9 + model as u64);
        let mut outcome = |o: &Outcome| {
            // Strength 0 is the unsteered model.
            let share = if matches!(arm.name.as_str(), "zero-shot" | "zero") { zero.share() } else { draws.share() };
            let hit = share < rate;
            let log_prob = if hit { -0.5 - share } else { -3.0 - share };
            Outcome { hit, completed: hit, rank: usize::from(!hit), log_prob, answer_log_prob: log_prob, ..o.clone() }
        };
        arm.outcomes = arm.outcomes.iter().cycle().take(ITEMS).map(&mut outcome).collect();
        arm.hits = arm.outcomes.iter().filter(|o| o.hit).count();
    }
    let axes = &mut record.plan.grid;
    axes.insert("residual".into(), (1..=BLOCKS).map(Value::Count).collect());
    let mut settings = vec![Setting::default()];
    if of.plan.method.name == "function-vector" {
        axes.insert("heads".into(), [1, 2, 4, 8, 16, 32, 64, 128].map(Value::Count).to_vec());
        axes.insert("strength".into(), [0.5, 1.0, 1.5, 2.0, 3.0, 4.0].map(Value::Number).to_vec());
    }
    for (axis, values) in axes.iter() {
        settings = settings.iter().flat_map(|s| values.iter().map(move |v| s.clone().with(axis, v.clone()))).collect();
    }
    let share = |x: f64| (1.0 - (x - 0.4).abs()).max(0.0) * steered;
    let point = |setting: Setting| {
        let rate = share(setting.at().unwrap_or_default() as f64 / BLOCKS as f64);
        Point { dev: draws.hits(rate), test: draws.hits(rate), setting }
    };
    results.grid = settings.into_iter().map(point).collect();
    let first = results.grid.iter().reduce(|a, b| if b.dev > a.dev { b } else { a }).unwrap();
    (results.chosen.setting, results.chosen.dev_hits) = (first.setting.clone(), Some(first.dev));
    for shots in &mut results.shots {
        shots.hits = draws.hits(0.2 + 0.06 * shots.demonstrations as f64);
    }
    if let Some(dose) = &mut results.dose {
        let hits = |name: &str| results.arms.iter().find(|arm| arm.name == name).map_or(0, |arm| arm.hits);
        let (none, all) = (hits("zero-shot"), hits("steered"));
        dose.hits = dose.shares.iter().map(|share| if *share < 1.0 { none } else { all }).collect();
        dose.answer_log_probs = dose.answer_log_probs.iter().cycle().take(ITEMS).cloned().collect();
    }
    if let Some(map) = &mut results.heads {
        let wide = |value: f64| vec![vec![value; HEADS]; BLOCKS];
        (map.low, map.high, map.p_holm, map.mean_log) = (wide(-1.0), wide(1.0), wide(1.0), wide(0.0));
        map.mean = (0..BLOCKS).map(|_| (0..HEADS).map(|_| draws.share() - 0.5).collect()).collect();
    }
    record
}

/// 64 digits made of a text.
fn like_a_hash(text: &str) -> String {
    let digits = "0123456789abcdef".as_bytes();
    let digit = |b: u8| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]].map(char::from);
    text.bytes().cycle().take(32).flat_map(digit).collect()
}

#[test]
fn a_store_as_large_as_the_study_is_reported_in_one_page() {
    let here = folder();
    let Some(small) = small(here.path()) else { return };
    let store = std::env::var_os("STEERCHECK_LARGE_STORE").map_or_else(|| here.path().join("large"), PathBuf::from);
    for model in 0..MODELS {
        for task in 0..TASKS {
            for record in &small {
                varied(record, model, task).write(&store).unwrap();
            }
        }
    }
    if std::env::var_os("STEERCHECK_LARGE_STORE").is_some() {
        return;
    }
    let said = succeeds(here.path(), &["report", "large", "--out", "page"]);
    says(&said, &["report.html"]);
    let page = std::fs::read_to_string(here.path().join("page/report.html")).unwrap();
    assert_eq!(page.matches("<article").count(), MODELS * TASKS * small.len());
    assert!(page.len() < 6 << 20, "{}", page.len());
    says(
        &page,
        &[
            "36 models and 27 tasks",
            "--models family0-1b",
            "What function vectors gain",
            "Best number of heads",
            "Recovery against the number of heads",
        ],
    );
    // A part of it has everything of its cells.
    let part = [
        "report",
        "large",
        "--out",
        "part",
        "--models",
        "family0-1b",
        "--methods",
        "fv",
        "--tasks",
        "knowledge_task_1",
    ];
    succeeds(here.path(), &part);
    let part = std::fs::read_to_string(here.path().join("part/report.html")).unwrap();
    assert_eq!(part.matches("<article").count(), 1);
    says(&part, &["Where the task", "Items: what was asked", "function vectors on 1 model and 1 task"]);
}
