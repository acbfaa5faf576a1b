//! Residuals of texts that go on from a common beginning, every distinct token once.

use std::borrow::Cow;

use candle_core::Tensor;

use crate::error::{ModelError, Result};
use crate::forest::{Forest, Sharing};
use crate::layout::{Context, Entry, Keep, Segment};
use crate::model::Model;
use crate::prefix::{Past, Prefix};
use crate::run;

/// What [`Model::branches`] reads. Tokens that texts share stand in one row.
pub struct Branches {
    /// Residuals 0..=L, `[rows, D]` each.
    pub residuals: Vec<Tensor>,
    /// For every text, the rows of its tokens from where it is read, first to last.
    pub rows: Vec<Vec<usize>>,
}

/// Texts as they are run: what they share is found, and what stands before them kept apart.
struct Planned<'a> {
    texts: Vec<Cow<'a, [u32]>>,
    from: Vec<usize>,
    sharing: Sharing,
    past: Option<&'a Past>,
    /// Tokens of the past.
    before: usize,
}

impl<'a> Planned<'a> {
    fn new(model: &Model, after: Option<&'a Prefix>, texts: &'a [Vec<u32>], from: &[usize]) -> Self {
        let sharing = model.sharing();
        match after {
            // Where positions depend on the total length, nothing can be shared: every text is run whole.
            Some(prefix) if sharing == Sharing::Separate => Self {
                texts: texts.iter().map(|text| Cow::Owned([prefix.tokens(), text].concat())).collect(),
                from: from.iter().map(|at| prefix.len() + at).collect(),
                sharing,
                past: None,
                before: 0,
            },
            _ => Self {
                texts: texts.iter().map(|text| Cow::Borrowed(text.as_slice())).collect(),
                from: from.to_vec(),
                sharing,
                past: after.map(|prefix| &prefix.past),
                before: after.map_or(0, Prefix::len),
            },
        }
    }

    fn forest(&self) -> Forest {
        let texts: Vec<&[u32]> = self.texts.iter().map(AsRef::as_ref).collect();
        Forest::new(&texts, self.sharing)
    }

    fn segments(&self, forest: &Forest) -> Vec<Segment<'_>> {
        let first = self.past.map_or(Context::None, Context::Past);
        let one = |n: &crate::forest::Node| Segment {
            entry: Entry::Tokens(Cow::Borrowed(&self.texts[n.prompt][n.start..n.end])),
            context: n.parent.map_or(first, Context::Segment),
            start: self.before + n.start,
            length: self.before + self.texts[n.prompt].len(),
            edits: &[],
        };
        forest.nodes.iter().map(one).collect()
    }

    /// The rows to keep, each once, and where each text's are among them.
    fn rows(&self, forest: &Forest) -> (Vec<(usize, usize)>, Vec<Vec<usize>>) {
        // A node is kept from the first of its tokens that any text reads.
        let mut first: Vec<usize> = forest.nodes.iter().map(crate::forest::Node::len).collect();
        for (path, from) in forest.paths.iter().zip(&self.from) {
            for &n in path {
                first[n] = first[n].min(from.saturating_sub(forest.nodes[n].start));
            }
        }
        let mut kept = Vec::new();
        let mut at = Vec::with_capacity(first.len());
        for (n, first) in first.iter().enumerate() {
            at.push(kept.len());
            kept.extend((*first..forest.nodes[n].len()).map(|offset| (n, offset)));
        }
        let rows = forest.paths.iter().zip(&self.from).map(|(path, from)| {
            let of_node = |n: &usize| {
                let node = &forest.nodes[*n];
                let start = from.saturating_sub(node.start).min(node.len());
                let at = at[*n];
                let first = first[*n];
                (start..node.len()).map(move |offset| at + offset - first).collect::<Vec<_>>()
            };
            path.iter().flat_map(of_node).collect()
        });
        let rows = rows.collect();
        (kept, rows)
    }
}

impl Model {
    /// Runs texts that stand behind a prefix, or alone, and reads all residuals of each from its 0-based token `from` on. The
    /// prefix is not run again, and what texts share is run and read once. Where positions depend on the total length, every text
    /// is run whole.
    pub fn branches(&self, after: Option<&Prefix>, texts: &[Vec<u32>], from: &[usize]) -> Result<Branches> {
        let before = after.map_or(&[][..], Prefix::tokens);
        if texts.len() != from.len() || texts.is_empty() {
            let (n, m) = (texts.len(), from.len());
            return Err(ModelError::Plan(format!("{n} texts are read from {m} places")));
        }
        for (text, from) in texts.iter().zip(from) {
            if *from >= text.len() {
                let n = text.len();
                return Err(ModelError::Plan(format!("a text of {n} tokens is read from its token {from} on")));
            }
            self.check_tokens(&[before, text].concat())?;
        }
        let planned = Planned::new(self, after, texts, from);
        let forest = planned.forest();
        let (kept, rows) = planned.rows(&forest);
        let out = run::run(self, &planned.segments(&forest), &Keep { residual: kept, ..Keep::default() })?;
        Ok(Branches { residuals: out.residual, rows })
    }

    /// Bytes besides the weights and the prefix that [`Model::branches`] will take at most.
    pub fn branches_bytes(&self, after: Option<&Prefix>, texts: &[Vec<u32>], from: &[usize]) -> u64 {
        let planned = Planned::new(self, after, texts, from);
        let forest = planned.forest();
        let (kept, _) = planned.rows(&forest);
        run::bytes(self, &planned.segments(&forest), &Keep { residual: kept, ..Keep::default() })
    }
}
