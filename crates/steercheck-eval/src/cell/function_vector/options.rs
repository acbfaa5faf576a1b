//! How a function-vector cell is run: the choices of methods.md §5, each for itself.

use steercheck_steer::function_vector::{ProjectionBias, ReadPosition, Scale};

use crate::cell::Presented;
use crate::protocol::{Profile, Protocol};

/// The token at which mean head outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAt {
    /// The last.
    Last,
    /// The one before it.
    Penultimate,
    /// The one before it if the tokenizer adds a BOS token, else the last: what the published code does.
    AsPublished,
}

impl ReadAt {
    /// The token for a tokenizer that adds BOS or does not.
    pub(super) fn position(self, adds_bos: bool) -> ReadPosition {
        match self {
            Self::Penultimate => ReadPosition::Penultimate,
            Self::AsPublished if adds_bos => ReadPosition::Penultimate,
            Self::Last | Self::AsPublished => ReadPosition::Last,
        }
    }
}

/// Which items are dev and test, and which make the vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// One split into disjoint dev, test and train items.
    One,
    /// The published splits: the vector is made of the train and validation items of one (seed 42), the first test items of another (seed
    /// 0) choose the setting and report it, some of which made the vector, too.
    Published,
}

/// Which items choose the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// The dev items.
    Dev,
    /// The test items, which are reported, too.
    Test,
}

/// Which items make the vector, where there is one split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The train items.
    Train,
    /// These and the test items: what the published splits amount to for some of them.
    WithTest,
}

/// Which heads a vector is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    /// Those with the largest mean effects on the task.
    OfTask,
    /// Those with the largest mean effects averaged over tasks: this one and Todd et al.'s six (2023, §3.1) but for those that share pairs
    /// with it. One set of heads serves all tasks, their means over the task's own prompts make its vector.
    Universal,
}

/// The options of methods.md §5 that function vectors have, and what else can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choices {
    /// Where mean head outputs are read.
    pub read_at: ReadAt,
    /// What becomes of the projection's bias.
    pub bias: ProjectionBias,
    /// The split of the items.
    pub split: Split,
    /// What chooses the setting.
    pub selection: Selection,
    /// What makes the vector; the published splits have pools of their own.
    pub pool: Pool,
    /// What effects are differences of.
    pub effects: Scale,
    /// Which heads make the vector.
    pub heads: Heads,
}

impl Choices {
    /// Those of a protocol.
    pub fn of(protocol: &Protocol) -> Self {
        if protocol.name == Protocol::STUDY.name { Self::STUDY } else { Self::RIGOROUS }
    }

    /// The same but for what is given.
    #[must_use]
    pub fn with(
        self,
        read_at: Option<ReadAt>,
        bias: Option<ProjectionBias>,
        effects: Option<Scale>,
        heads: Option<Heads>,
    ) -> Self {
        Self {
            read_at: read_at.unwrap_or(self.read_at),
            bias: bias.unwrap_or(self.bias),
            effects: effects.unwrap_or(self.effects),
            heads: heads.unwrap_or(self.heads),
            ..self
        }
    }

    /// The default.
    pub const RIGOROUS: Self = Self {
        read_at: ReadAt::Last,
        bias: ProjectionBias::Kept,
        split: Split::One,
        selection: Selection::Dev,
        pool: Pool::Train,
        effects: Scale::Probability,
        heads: Heads::OfTask,
    };
    /// What the published code does.
    pub const STUDY: Self = Self {
        read_at: ReadAt::AsPublished,
        bias: ProjectionBias::AsPublished,
        split: Split::Published,
        selection: Selection::Test,
        pool: Pool::Train,
        effects: Scale::Probability,
        heads: Heads::OfTask,
    };
}

/// How a cell is run.
#[derive(Debug, Clone)]
pub struct FunctionVectorOptions {
    /// The protocol.
    pub protocol: Protocol,
    /// The protocol's choices, or others.
    pub choices: Choices,
    /// Item counts and settings.
    pub profile: Profile,
    /// Seed of demonstrations, vectors and placebos.
    pub seed: u64,
    /// What is run as the method.
    pub presented: Presented,
}
