//! Protocols and profiles: what is done and on how many items, as data. No second code path.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::task::Quirks;

/// A named set of options (methods.md §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// `study` or `rigorous`.
    pub name: Cow<'static, str>,
    /// Which figure is the method's accuracy.
    pub reported: Reported,
    /// Which items the zero-shot arm is asked.
    pub baseline: Baseline,
    /// How answers of one token are told.
    pub single_token: SingleToken,
    /// Header rows and double inputs of published files.
    pub quirks: Quirks,
    /// Placebo arms.
    pub placebos: Placebos,
}

/// Which figure is the method's accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    /// The highest point of the dev curve, as the study plots it.
    DevPeak,
    /// The test items at the block that dev chose.
    TestAtDevChoice,
}

/// Which items the zero-shot arm is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// This many items that are in neither dev nor test.
    OtherItems(usize),
    /// The test items, so that all arms are paired.
    TestItems,
}

/// How an answer of one token is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SingleToken {
    /// "!" followed by the answer is two tokens.
    AfterExclamationMark,
    /// After the item's own zero-shot prompt the answer is one token.
    InContext,
}

/// Placebo arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placebos {
    /// None.
    None,
    /// `zero`, `random-direction`, `shuffled-labels`, `wrong-task`.
    All,
}

impl Protocol {
    /// Disjoint items, choice on dev, placebos: the default.
    pub const RIGOROUS: Self = Self {
        name: Cow::Borrowed("rigorous"),
        reported: Reported::TestAtDevChoice,
        baseline: Baseline::TestItems,
        single_token: SingleToken::InContext,
        quirks: Quirks::Drop,
        placebos: Placebos::All,
    };
    /// What the published code does.
    pub const STUDY: Self = Self {
        name: Cow::Borrowed("study"),
        reported: Reported::DevPeak,
        baseline: Baseline::OtherItems(100),
        single_token: SingleToken::AfterExclamationMark,
        quirks: Quirks::Keep,
        placebos: Placebos::None,
    };
}

/// The study's numbers of demonstrations.
const SHOTS: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// How many items, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// `quick`, `standard` or `study`; of a study file with numbers of its own, `custom`.
    pub name: Cow<'static, str>,
    /// Items that choose the block.
    pub dev: usize,
    /// Items that are reported.
    pub test: usize,
    /// Seeds, counted up from the one given.
    pub seeds: usize,
    /// What function vectors are tried at.
    pub grid: Grid,
    /// Numbers of demonstrations that the unsteered model is asked with, besides the few-shot arm.
    pub shots: Cow<'static, [usize]>,
    /// Questions of a set that are asked at most; none for all.
    pub questions: Option<usize>,
}

/// Settings of function vectors: the product of strengths, heads and residuals.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// λ.
    pub strengths: Cow<'static, [f64]>,
    /// Numbers of heads; those beyond what a model has are left out.
    pub heads: Cow<'static, [usize]>,
    /// At most so many residuals, evenly spaced up to the last; none for all.
    pub residuals: Option<usize>,
}

impl Profile {
    /// One seed, 24 and 48 items: a first look in minutes.
    pub const QUICK: Self = Self {
        name: Cow::Borrowed("quick"),
        dev: 24,
        test: 48,
        seeds: 1,
        grid: Grid {
            strengths: Cow::Borrowed(&[1.0, 2.0, 4.0, 8.0]),
            heads: Cow::Borrowed(&[2, 16, 64]),
            residuals: Some(16),
        },
        shots: Cow::Borrowed(&[]),
        questions: Some(120),
    };
    /// Three seeds, 50 and 100 items.
    pub const STANDARD: Self = Self {
        name: Cow::Borrowed("standard"),
        dev: 50,
        test: 100,
        seeds: 3,
        grid: Grid {
            strengths: Cow::Borrowed(&[0.5, 1.0, 2.0, 4.0, 8.0, 16.0]),
            heads: Cow::Borrowed(&[2, 16, 64, 256]),
            residuals: None,
        },
        shots: Cow::Borrowed(SHOTS),
        questions: None,
    };
    /// Sizes of the published study: 50 and 50 items, one seed.
    pub const STUDY: Self = Self {
        name: Cow::Borrowed("study"),
        dev: 50,
        test: 50,
        seeds: 1,
        grid: Grid {
            strengths: Cow::Borrowed(&[0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            heads: Cow::Borrowed(&[2, 16, 32, 64, 128, 256, 512]),
            residuals: None,
        },
        shots: Cow::Borrowed(SHOTS),
        questions: None,
    };

    /// The grid for a model of so many parameters: above 27 billion the study tried fewer settings.
    pub fn grid_for(&self, parameters: u64) -> Grid {
        if self.name == Self::STUDY.name && parameters > 27_000_000_000 {
            return Grid {
                strengths: Cow::Borrowed(&[1.0, 4.0, 16.0]),
                heads: Cow::Borrowed(&[2, 64, 512, 1024]),
                residuals: None,
            };
        }
        self.grid.clone()
    }
}
