//! What a pass is made of: segments of rows, the order that the rows take, and which of them share an attention call. All of
//! it is a function of the work alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::error::Result;
use crate::prefix::Past;
use crate::rope::Place;
use crate::site::Edit;

/// Where a segment's rows come from.
pub(crate) enum Entry<'a> {
    /// Tokens, embedded: residual 0.
    Tokens(Cow<'a, [u32]>),
    /// One row `[1, D]` of residual `at`.
    Residual { at: usize, row: Tensor },
}

impl Entry<'_> {
    pub(crate) fn residual(&self) -> usize {
        match self {
            Self::Tokens(_) => 0,
            Self::Residual { at, .. } => *at,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Tokens(tokens) => tokens.len(),
            Self::Residual { .. } => 1,
        }
    }
}

/// What stands before a segment.
#[derive(Clone, Copy)]
pub(crate) enum Context<'a> {
    /// Nothing.
    None,
    /// All of an earlier segment of the same run, and what stands before that.
    Segment(usize),
    /// The first `start` positions of what earlier runs kept.
    Past(&'a Past),
}

/// Consecutive rows of one prompt or edited run.
pub(crate) struct Segment<'a> {
    pub(crate) entry: Entry<'a>,
    pub(crate) context: Context<'a>,
    /// Position of the first row.
    pub(crate) start: usize,
    /// Total length of the prompt, which some rotary scalings depend on.
    pub(crate) length: usize,
    /// Edits, their positions counted from the prompt's beginning.
    pub(crate) edits: &'a [Edit],
}

/// Rows, by segment and offset in it, whose values are kept, at every block unless said otherwise.
#[derive(Default)]
pub(crate) struct Keep {
    pub(crate) residual: Vec<(usize, usize)>,
    pub(crate) heads: Vec<(usize, usize)>,
    pub(crate) attention: Vec<(usize, usize)>,
    pub(crate) mlp: Vec<(usize, usize)>,
    /// Of the highest residual alone.
    pub(crate) top: Vec<(usize, usize)>,
    /// Whether keys and values of all rows are kept.
    pub(crate) key_values: bool,
    /// The pass ends at this residual; `None` is L.
    pub(crate) until: Option<usize>,
}

/// Rows of one attention call.
pub(crate) enum Group {
    /// One segment of consecutive rows.
    Sequence(usize),
    /// Single-row segments at the same position over the same past.
    Siblings(Vec<usize>),
}

/// The order of rows and the grouping of segments: a function of the segments alone.
pub(crate) struct Layout {
    /// First row of each segment.
    pub(crate) first_row: Vec<usize>,
    /// Rows that are active at or below residual b, for b in 0..=L.
    pub(crate) active: Vec<usize>,
    /// Segments that enter at residual b.
    pub(crate) entering: Vec<Vec<usize>>,
    pub(crate) groups: Vec<Group>,
    pub(crate) places: Vec<Place>,
}

impl Layout {
    pub(crate) fn new(segments: &[Segment<'_>], depth: usize) -> Self {
        let mut entering = vec![Vec::new(); depth + 1];
        for (i, s) in segments.iter().enumerate() {
            entering[s.entry.residual()].push(i);
        }
        let (mut first_row, mut active, mut places) = (vec![0; segments.len()], Vec::new(), Vec::new());
        let mut siblings: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut groups = Vec::new();
        for list in &entering {
            for &i in list {
                let s = &segments[i];
                first_row[i] = places.len();
                places.extend((s.start..s.start + s.entry.rows()).map(|position| Place { position, length: s.length }));
                match s.context {
                    Context::Past(p) if s.entry.rows() == 1 => {
                        let group = *siblings.entry((std::ptr::from_ref(p) as usize, s.start)).or_insert_with(|| {
                            groups.push(Group::Siblings(Vec::new()));
                            groups.len() - 1
                        });
                        if let Group::Siblings(members) = &mut groups[group] {
                            members.push(i);
                        }
                    }
                    _ => groups.push(Group::Sequence(i)),
                }
            }
            active.push(places.len());
        }
        Self { first_row, active, entering, groups, places }
    }
}

/// Selects rows by index; the caller's list is short or the tensor is.
pub(crate) fn select(x: &Tensor, rows: &[usize]) -> Result<Tensor> {
    let contiguous = rows.windows(2).all(|w| w[1] == w[0] + 1);
    match rows.first() {
        Some(first) if contiguous => Ok(x.narrow(0, *first, rows.len())?),
        _ => {
            let index: Vec<u32> = rows.iter().map(|r| *r as u32).collect();
            Ok(x.index_select(&Tensor::new(index.as_slice(), x.device())?, 0)?)
        }
    }
}
