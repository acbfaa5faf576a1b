//! The report of a store: figures, and one HTML file without network, script of others or fonts, made from records alone. The same records
//! give the same bytes.

pub mod figure;
mod figures;
mod page;

use serde::Serialize;
use steercheck_eval::Record;
use steercheck_eval::across::{self, Beside, Cell, Heat, Overall, Pair, Recoveries, Split, TaskGain};
use steercheck_eval::card::{self, CardError, Subject};

use figure::Figure;

/// Everything over models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summaries {
    /// Methods over models and tasks.
    pub methods: Vec<Overall>,
    /// Methods by task, over models.
    pub tasks: Vec<TaskGain>,
    /// Models by kind.
    pub splits: Vec<Split>,
    /// Tuned models beside those that they were tuned from.
    pub pairs: Vec<Pair>,
    /// The study's table of recovery.
    pub recoveries: Vec<Recoveries>,
    /// Its heat maps.
    pub heat: Vec<Heat>,
    /// Published figures beside measured ones.
    pub beside: Vec<Beside>,
}

/// A report, before it is written.
pub struct Report<'a> {
    cells: Vec<Cell>,
    groups: Vec<Vec<&'a Record>>,
    summaries: Summaries,
}

impl<'a> Report<'a> {
    /// Of records, with what `summaries` makes of their cells. All are judged, as verdicts are corrected over a model's cells; those that
    /// `shows` wants are shown.
    pub fn new(
        records: &'a [Record],
        shows: impl Fn(&Subject) -> bool,
        summaries: impl FnOnce(&[Cell]) -> Summaries,
    ) -> Result<Self, CardError> {
        let groups = card::groups(records);
        let cells = across::cells_of(&groups)?;
        let shown = cells.into_iter().zip(groups).filter(|(cell, _)| shows(&cell.card.measured.subject));
        let (cells, groups): (Vec<Cell>, Vec<Vec<&Record>>) = shown.unzip();
        let summaries = summaries(&cells);
        Ok(Self { cells, groups, summaries })
    }

    /// The cells, in the order of the report.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What they amount to over models.
    pub fn summaries(&self) -> &Summaries {
        &self.summaries
    }

    /// Every figure: those over models, then card by card.
    pub fn figures(&self) -> Vec<Figure> {
        let mut out = self.over_all();
        for (i, (cell, records)) in self.cells.iter().zip(&self.groups).enumerate() {
            out.extend(figures::card::of_card(cell, records, &figures::card_id(cell, i)));
        }
        out
    }

    fn over_all(&self) -> Vec<Figure> {
        figures::over_models::all(self)
    }

    /// The page.
    pub fn html(&self) -> String {
        page::html(self)
    }

    fn sources(&self) -> Vec<String> {
        self.groups.iter().flatten().map(|record| record.key()).collect()
    }
}

/// `40`, or `40 to 60` where they differ.
fn range(values: impl IntoIterator<Item = usize>) -> String {
    let values: Vec<usize> = values.into_iter().collect();
    match (values.iter().min(), values.iter().max()) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low} to {high}"),
        _ => "no".into(),
    }
}

/// A method in words.
fn method_name(method: &str) -> &str {
    match method {
        "task-vector" => "task vectors",
        "function-vector" => "function vectors",
        "vector" => "given vector",
        "dola" => "DoLa",
        other => other,
    }
}
