//! `steercheck published`: the figures of the literature.

mod beside;

use steercheck_eval::published::{
    self, CITATION, Factor, FunctionVectors, Lens, RECOVERIES, Recovered, TaskVectors, TruthfulQa,
};

use crate::arguments::{MethodName, PublishedOptions};
use crate::error::CliError;
use crate::models::print;
use crate::tables::Flush::{Left, Right};
use crate::tables::{Format, Table, wrapped};

/// What one model has of each method, or all of them.
struct Rows {
    function_vectors: Vec<FunctionVectors>,
    task_vectors: Vec<TaskVectors>,
    truthful_qa: Vec<TruthfulQa>,
    factor: Vec<Factor>,
    lens: Vec<Lens>,
}

/// Runs the command.
pub(crate) fn run(options: &PublishedOptions) -> Result<(), CliError> {
    if let Some(store) = &options.store {
        return beside::run(options, store);
    }
    let all = Rows {
        function_vectors: published::function_vectors(),
        task_vectors: published::task_vectors(),
        truthful_qa: published::truthful_qa(),
        factor: published::factor(),
        lens: published::lens(),
    };
    let wanted = |method: MethodName| options.method.is_none_or(|m| m == method);
    let tables = match &options.model {
        None => summaries(&all, &wanted),
        Some(model) => of_model(&all.of(model)?, model, &wanted),
    };
    if tables.is_empty() {
        let model = options.model.as_deref().unwrap_or("any model");
        return Err(CliError::Usage(format!(
            "there are no published figures of this method for {model}; leave --method out"
        )));
    }
    print(&match options.format {
        Format::Text => {
            let tables: Vec<String> = tables.iter().map(|t| t.text() + "\n").collect();
            format!("{}\n{}\n", tables.join("\n"), wrapped(CITATION, 0))
        }
        Format::Md => format!("{}\n{CITATION}\n", tables.iter().map(Table::markdown).collect::<Vec<_>>().join("\n")),
        Format::Latex => format!("{}% {CITATION}\n", tables.iter().map(Table::latex).collect::<Vec<_>>().join("\n")),
        Format::Csv => tables.iter().map(Table::csv).collect::<Vec<_>>().join("\n"),
        Format::Json => {
            let rows = match &options.model {
                None => all,
                Some(model) => all.of(model)?,
            };
            rows.json(&wanted)?
        }
    })
}

impl Rows {
    /// Those of one model. A name that nobody has is an error with the nearest one.
    fn of(&self, model: &str) -> Result<Self, CliError> {
        let names = self.names();
        if !names.contains(&model) {
            let likeness = |name: &&&str| strsim::jaro_winkler(model, name);
            let nearest = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).copied().unwrap_or_default();
            return Err(CliError::Usage(format!(
                "there are no published figures of '{model}'; did you mean '{nearest}'? `steercheck models list --study` has the names"
            )));
        }
        Ok(Self {
            function_vectors: self.function_vectors.iter().filter(|row| row.model == model).cloned().collect(),
            task_vectors: self.task_vectors.iter().filter(|row| row.model == model).cloned().collect(),
            truthful_qa: self.truthful_qa.iter().filter(|row| row.model == model).cloned().collect(),
            factor: self.factor.iter().filter(|row| row.model == model).cloned().collect(),
            lens: self.lens.iter().filter(|row| row.model == model).cloned().collect(),
        })
    }

    fn names(&self) -> Vec<&str> {
        let fv = self.function_vectors.iter().map(|row| row.model.as_str());
        let tv = self.task_vectors.iter().map(|row| row.model.as_str());
        let dola = self.truthful_qa.iter().map(|row| row.model.as_str());
        let mut names: Vec<&str> =
            fv.chain(tv).chain(dola).chain(self.lens.iter().map(|row| row.model.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn json(&self, wanted: &dyn Fn(MethodName) -> bool) -> Result<String, CliError> {
        let mut out = serde_json::Map::new();
        let mut put = |name: &str, rows: Result<serde_json::Value, serde_json::Error>| {
            out.insert(name.to_string(), rows?);
            Ok::<(), serde_json::Error>(())
        };
        let mut all = || {
            put("citation", serde_json::to_value(CITATION))?;
            if wanted(MethodName::Fv) {
                put("function_vectors", serde_json::to_value(&self.function_vectors))?;
            }
            if wanted(MethodName::Tv) {
                put("task_vectors", serde_json::to_value(&self.task_vectors))?;
            }
            if wanted(MethodName::Dola) {
                put("truthful_qa", serde_json::to_value(&self.truthful_qa))?;
                put("factor", serde_json::to_value(&self.factor))?;
                put("lens", serde_json::to_value(&self.lens))?;
            }
            Ok::<(), serde_json::Error>(())
        };
        let failed = |e: serde_json::Error| CliError::Output(e.to_string());
        all().map_err(failed)?;
        Ok(serde_json::to_string_pretty(&out).map_err(failed)? + "\n")
    }
}

fn percent(x: f64) -> String {
    format!("{:.0}", 100.0 * x)
}

/// Heads of the columns of [`RECOVERIES`].
const LEAST: [&str; RECOVERIES.len()] = ["≥ 50 %", "≥ 75 %", "≥ 90 %", "≥ 100 %"];

/// What the figures amount to over models and tasks.
fn summaries(all: &Rows, wanted: &dyn Fn(MethodName) -> bool) -> Vec<Table> {
    let mut rows = Vec::new();
    let mut row = |what: &str, recovered: Recovered| {
        let shares = recovered.shares().map(percent);
        rows.push([what.to_string(), recovered.cells.to_string()].into_iter().chain(shares).collect::<Vec<_>>());
    };
    // The results also hold another stage of one of the 36 models.
    let of_study: Vec<FunctionVectors> =
        all.function_vectors.iter().filter(|r| r.model != "olmos-7b").cloned().collect();
    if wanted(MethodName::Fv) {
        let [default, search] = published::function_vector_recovery(&of_study);
        row("function vectors, default settings", default);
        row("function vectors, best of the search", search);
        let [with, without] = published::by_bos(&of_study);
        row("  of tokenizers that add BOS", with);
        row("  of the others", without);
    }
    if wanted(MethodName::Tv) {
        row("task vectors, peak of the dev curve", published::task_vector_recovery(&all.task_vectors));
    }
    let mut head = vec![("cells (model × task)", Left), ("n", Right)];
    head.extend(LEAST.map(|least| (least, Right)));
    let mut out = Vec::new();
    if !rows.is_empty() {
        out.push(Table {
            title: "Published recovery: per cent of cells that reach so much of the five-shot accuracy".into(),
            head,
            rows,
            note: "the search is a maximum over the grid on the reported items".into(),
        });
    }
    if wanted(MethodName::Dola) {
        out.extend(contrast(&all.truthful_qa));
    }
    out
}

/// `DoLa` on `TruthfulQA`, model by model.
fn contrast(rows: &[TruthfulQa]) -> Option<Table> {
    let mut models: Vec<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    models.dedup();
    let best = |model: &str, method: &str, variant: &str| {
        let of = rows.iter().filter(|r| r.model == model && r.method == method && r.variant == variant);
        of.map(|r| r.mc1).fold(f64::NEG_INFINITY, f64::max)
    };
    let shown = |x: f64| if x.is_finite() { format!("{:.1}", 100.0 * x) } else { "–".into() };
    let row = |model: &&str| {
        vec![
            (*model).to_string(),
            shown(best(model, "baseline", "softmax")),
            shown(best(model, "dola", "softmax")),
            shown(best(model, "dola", "no_softmax")),
            shown(best(model, "baseline", "len_bias")),
        ]
    };
    let table: Vec<Vec<String>> = models.iter().map(row).collect();
    (!table.is_empty()).then(|| Table {
        title: "Published DoLa on TruthfulQA: MC1, per cent of 817 questions, the best of what was tried on them"
            .into(),
        head: vec![
            ("model", Left),
            ("unsteered", Right),
            ("DoLa", Right),
            ("without\nlog-softmax", Right),
            ("unsteered, constant\nper token", Right),
        ],
        rows: table,
        note: String::new(),
    })
}

/// Everything of one model.
fn of_model(rows: &Rows, model: &str, wanted: &dyn Fn(MethodName) -> bool) -> Vec<Table> {
    let mut out = Vec::new();
    if wanted(MethodName::Fv) && !rows.function_vectors.is_empty() {
        out.push(function_vectors(&rows.function_vectors, model));
    }
    if wanted(MethodName::Tv) && !rows.task_vectors.is_empty() {
        out.push(task_vectors(&rows.task_vectors, model));
    }
    if wanted(MethodName::Dola) {
        out.extend((!rows.truthful_qa.is_empty()).then(|| truthful_qa(&rows.truthful_qa, model)));
        out.extend((!rows.factor.is_empty()).then(|| factor(&rows.factor, model)));
        out.extend((!rows.lens.is_empty()).then(|| lens(&rows.lens, model)));
    }
    out
}

fn function_vectors(rows: &[FunctionVectors], model: &str) -> Table {
    let row = |r: &FunctionVectors| {
        let share = |hits: usize| percent(hits as f64 / r.n.max(1) as f64);
        vec![
            r.task.clone(),
            r.n.to_string(),
            share(r.zero_shot),
            share(r.five_shot),
            format!("{} ({} heads, {})", share(r.default), r.default_heads, r.default_residual),
            format!("{} ({} heads × {}, {})", share(r.search), r.search_heads, r.search_strength, r.search_residual),
        ]
    };
    Table {
        title: format!("Published function vectors of {model}: per cent right (at so many heads, strength, residual)"),
        head: vec![
            ("task", Left),
            ("n", Right),
            ("zero-shot", Right),
            ("five-shot", Right),
            ("default", Right),
            ("search", Right),
        ],
        rows: rows.iter().map(row).collect(),
        note: "maxima over residuals, and over the grid, on the reported items".into(),
    }
}

fn task_vectors(rows: &[TaskVectors], model: &str) -> Table {
    let share = |x: Option<f64>| x.map_or_else(|| "–".to_string(), percent);
    let row = |r: &TaskVectors| {
        vec![
            r.task.clone(),
            share(r.zero_shot),
            share(r.five_shot),
            share(r.test),
            r.dev_residual.map_or_else(|| "–".to_string(), |b| b.to_string()),
            share(r.curve().into_iter().reduce(f64::max)),
        ]
    };
    Table {
        title: format!("Published task vectors of {model}: per cent right"),
        head: vec![
            ("task", Left),
            ("zero-shot", Right),
            ("five-shot", Right),
            ("steered", Right),
            ("at residual", Right),
            ("dev there", Right),
        ],
        rows: rows.iter().map(row).collect(),
        note: "zero-shot on 100 items, the others on 50".into(),
    }
}

fn alpha(alpha: Option<f64>) -> String {
    alpha.map_or_else(|| "–".to_string(), |a| a.to_string())
}

fn truthful_qa(rows: &[TruthfulQa], model: &str) -> Table {
    let one = |x: f64| format!("{:.1}", 100.0 * x);
    let row = |r: &TruthfulQa| {
        vec![
            r.method.clone(),
            r.variant.replace('_', " "),
            r.bucket.clone(),
            alpha(r.alpha),
            one(r.mc1),
            one(r.mc2),
            one(r.mc2_log),
            one(r.mc3),
        ]
    };
    Table {
        title: format!("Published DoLa of {model} on TruthfulQA, 817 questions, per cent"),
        head: vec![
            ("", Left),
            ("variant", Left),
            ("bucket", Left),
            ("α", Right),
            ("MC1", Right),
            ("MC2", Right),
            ("MC2 by\nlog-sum-exp", Right),
            ("MC3", Right),
        ],
        rows: rows.iter().map(row).collect(),
        note: String::new(),
    }
}

fn factor(rows: &[Factor], model: &str) -> Table {
    let one = |x: f64| format!("{:.1}", 100.0 * x);
    let row = |r: &Factor| {
        let wrong = if r.mature_layer_ok == "no" { "another mature layer" } else { "" };
        vec![
            r.method.clone(),
            r.bucket.clone(),
            alpha(r.alpha),
            r.n.to_string(),
            one(r.with_ties),
            one(r.strict),
            wrong.to_string(),
        ]
    };
    Table {
        title: format!("Published DoLa of {model} on FACTOR, per cent right"),
        head: vec![
            ("", Left),
            ("bucket", Left),
            ("α", Right),
            ("n", Right),
            ("with ties", Right),
            ("strict", Right),
            ("", Left),
        ],
        rows: rows.iter().map(row).collect(),
        note: String::new(),
    }
}

fn lens(rows: &[Lens], model: &str) -> Table {
    let one = |x: f64| format!("{:.1}", 100.0 * x);
    Table {
        title: format!(
            "Published logit lens of {model} on TruthfulQA as lettered multiple choice: mean probabilities, per cent"
        ),
        head: vec![
            ("residual", Right),
            ("most probable\ntoken", Right),
            ("right\nanswer", Right),
            ("likeliest\nwrong one", Right),
        ],
        rows: rows.iter().rev().map(|r| vec![r.residual.to_string(), one(r.top), one(r.right), one(r.wrong)]).collect(),
        note: String::new(),
    }
}
