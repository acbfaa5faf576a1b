//! The study's models as a table by family: where they are on the hub, and what each needs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use steercheck_hub::{BITS_PER_WEIGHT_AT_4_BITS, Catalogue, Model, Role, Shape, SourceSpec, StudyEntry};
use steercheck_model::bytes_text;

use crate::tables::{self, Flush, wrapped};

/// Where the weights of a model are read from during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Residence {
    /// They stay in memory.
    Memory,
    /// They do not fit, and come from disk again at every pass.
    Disk,
}

impl Residence {
    /// For weights in bf16, kept as stored.
    pub(crate) fn of(shape: &Shape, memory: u64) -> Self {
        if shape.bytes_in_bf16() <= memory { Self::Memory } else { Self::Disk }
    }

    /// One word, for tables and JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Memory => "RAM",
            Self::Disk => "disk",
        }
    }
}

/// `org/name`, with the revision where it is not `main`; of the first source that is on the hub.
pub(crate) fn hub_name(model: &Model) -> Option<String> {
    model.sources.iter().find_map(|source| match source {
        SourceSpec::Hub { id, revision, .. } if revision == "main" => Some(id.clone()),
        SourceSpec::Hub { id, revision, .. } => Some(format!("{id}@{revision}")),
        SourceSpec::Python { .. } => None,
    })
}

/// The whole listing: the models by family, those for DoLa alone, the checkpoints, and how to read it.
pub(crate) fn text(catalogue: &Catalogue, memory: u64) -> String {
    let entries: Vec<(&Model, &StudyEntry)> =
        catalogue.models.iter().filter_map(|model| Some((model, model.study.as_ref()?))).collect();
    let with_role = |role: &Role| entries.iter().filter(|(_, e)| e.role == *role).copied().collect::<Vec<_>>();
    let (models, dola) = (with_role(&Role::Model), with_role(&Role::DolaOnly));
    let families = models.iter().map(|(model, _)| &model.family).collect::<BTreeSet<_>>().len();
    let pairs = models.iter().filter(|(_, entry)| entry.tuned_from.is_some()).count();
    let groups = groups(&models, "").into_iter().chain(self::groups(&dola, "For DoLa only, ")).collect::<Vec<_>>();
    let paragraphs = [
        needs(&groups, memory),
        format!("{} models, {families} families, {pairs} pairs of a base model and its tuned version", models.len()),
        checkpoints(&entries),
        how_to_read(memory),
    ];
    paragraphs.join("\n\n") + "\n"
}

/// Models of one family under their heading.
struct Group<'c> {
    heading: String,
    models: Vec<(&'c Model, &'c StudyEntry)>,
}

/// Neighbours of the same family in groups.
fn groups<'c>(models: &[(&'c Model, &'c StudyEntry)], before: &str) -> Vec<Group<'c>> {
    let chunks = models.chunk_by(|(a, _), (b, _)| a.family == b.family);
    chunks.map(|chunk| Group { heading: heading(chunk, before), models: chunk.to_vec() }).collect()
}

/// `Qwen2: no BOS, Apache-2.0; qwen2-72b: Tongyi Qianwen License`.
fn heading(group: &[(&Model, &StudyEntry)], before: &str) -> String {
    let (first, entry) = group[0];
    let mut by_licence: BTreeMap<&str, Vec<&Model>> = BTreeMap::new();
    for (model, _) in group {
        by_licence.entry(&model.licence.name).or_default().push(model);
    }
    let mut by_licence: Vec<_> = by_licence.into_iter().collect();
    by_licence.sort_by_key(|(_, models)| Reverse(models.len()));
    let licences = by_licence.iter().enumerate().map(|(i, (licence, models))| {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        let whose = if i == 0 { String::new() } else { format!("{}: ", names.join(", ")) };
        format!("{whose}{licence}{}", if models[0].licence.gated { ", gated" } else { "" })
    });
    let bos = if entry.adds_bos { "adds BOS" } else { "no BOS" };
    format!("{before}{}: {bos}, {}", first.family, licences.collect::<Vec<_>>().join("; "))
}

/// The table; a heading stands on a line of its own above the rows of its group.
fn needs(groups: &[Group<'_>], memory: u64) -> String {
    let head = [
        ("model", Flush::Left),
        ("hub id", Flush::Left),
        ("blocks ×\nheads ×\nwidth", Flush::Right),
        ("vocab-\nulary", Flush::Right),
        ("size\nin B", Flush::Right),
        ("bf16\nin GB", Flush::Right),
        ("4 bits\nin GB", Flush::Right),
        ("runs\nfrom", Flush::Left),
    ];
    let rows: Vec<Vec<String>> = groups.iter().flat_map(|g| &g.models).map(|(m, e)| row(m, e, memory)).collect();
    let table = tables::plain(&head, &rows);
    let mut lines = table.lines();
    let mut out: Vec<&str> = lines.by_ref().take(head_height(&head) + 1).collect();
    for group in groups {
        out.push(&group.heading);
        out.extend(lines.by_ref().take(group.models.len()));
    }
    out.join("\n")
}

fn head_height(head: &[(&str, Flush)]) -> usize {
    head.iter().map(|(text, _)| text.lines().count()).max().unwrap_or(0)
}

fn row(model: &Model, entry: &StudyEntry, memory: u64) -> Vec<String> {
    let name = if entry.tuned_from.is_some() { format!("  └ {}", model.name) } else { format!("  {}", model.name) };
    let mut row = vec![name, hub_name(model).unwrap_or_default()];
    if let Some(shape) = &model.shape {
        row.extend([
            format!("{}×{}×{}", shape.blocks, shape.heads, shape.head_dim),
            grouped(shape.vocab_size),
            format!("{:.1}", model.parameters as f64 / 1e9),
            format!("{:.1}", shape.bytes_in_bf16() as f64 / 1e9),
            format!("{:.1}", shape.bytes_at_4_bits() as f64 / 1e9),
            Residence::of(shape, memory).word().to_string(),
        ]);
    }
    row
}

/// `128,256`; no vocabulary has a million entries.
fn grouped(n: u64) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
}

fn checkpoints(entries: &[(&Model, &StudyEntry)]) -> String {
    let head = [("checkpoint", Flush::Left), ("hub id and revision", Flush::Left), ("chosen as", Flush::Left)];
    let rows: Vec<Vec<String>> = entries
        .iter()
        .filter_map(|(model, entry)| match &entry.role {
            Role::Checkpoint { note, .. } => {
                Some(vec![model.name.clone(), hub_name(model).unwrap_or_default(), note.clone()])
            }
            Role::Model | Role::DolaOnly => None,
        })
        .collect();
    tables::plain(&head, &rows)
}

fn how_to_read(memory: u64) -> String {
    let paragraphs = [
        "└ was tuned to follow instructions from the model above it. Width is that of a head; vocabulary counts the rows of the \
         embedding matrix."
            .to_string(),
        format!(
            "4 bits: about {BITS_PER_WEIGHT_AT_4_BITS} bits per weight, as in Q4_K_M. Runs from: RAM where the weights in bf16 \
             fit the {} that check takes (--memory), else from disk, at its speed.",
            bytes_text(memory)
        ),
        "Revisions are main but for the checkpoints; the study publishes neither commits nor its checkpoints' revisions. \
         Gated: accept the terms on the model's page and set HF_TOKEN."
            .to_string(),
    ];
    paragraphs.map(|p| wrapped(&p, 0)).join("\n")
}
