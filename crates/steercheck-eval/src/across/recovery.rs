//! The study's tables: how many cells recover how much of the few-shot accuracy, and the heat map of models × tasks.

use serde::Serialize;

use super::{ByTask, Cell, best_by, by_model_and_task};
use crate::published::Recovered;
use crate::record::{Setting, Value};

/// A way of looking at a method's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Task vectors.
    TaskVectors,
    /// Function vectors at strength 1.
    FunctionVectorsDefault,
    /// Function vectors at every strength and number of heads.
    FunctionVectorsSearch,
}

impl Way {
    /// All, in the order of the study's figure.
    pub const ALL: [Self; 3] = [Self::FunctionVectorsDefault, Self::FunctionVectorsSearch, Self::TaskVectors];

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::TaskVectors => "task vectors",
            Self::FunctionVectorsDefault => "function vectors, λ = 1",
            Self::FunctionVectorsSearch => "function vectors, search",
        }
    }

    /// Whether it looks at a setting of a method.
    pub(super) fn takes(self, method: &str, setting: &Setting) -> bool {
        match self {
            Self::TaskVectors => method == "task-vector",
            Self::FunctionVectorsSearch => method == "function-vector",
            Self::FunctionVectorsDefault => {
                method == "function-vector" && setting.0.get("strength").is_none_or(|s| *s == Value::Number(1.0))
            }
        }
    }

    /// The best and the mean accuracy over its settings; none where the cell has none of them.
    fn of(self, cell: &Cell) -> Option<[f64; 2]> {
        let method = &cell.card.measured.subject.method;
        let shares: Vec<f64> =
            cell.grid.iter().filter(|(setting, _)| self.takes(method, setting)).map(|(_, share)| *share).collect();
        let best = shares.iter().copied().reduce(f64::max)?;
        Some([best, shares.iter().sum::<f64>() / shares.len() as f64])
    }
}

/// Cells that recover so much of the few-shot accuracy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recoveries {
    /// Which settings.
    pub way: Way,
    /// At the best of them on the reported items, as the study counts.
    pub peak: Recovered,
    /// At the setting that the protocol chose; none under the default settings, where it chose among all.
    pub chosen: Option<Recovered>,
}

impl Recoveries {
    /// Both counts, as far as they are there, with what they are of.
    pub fn counted(&self) -> impl Iterator<Item = (&'static str, Recovered)> {
        [("best on the reported items", Some(self.peak)), ("as chosen", self.chosen)]
            .into_iter()
            .filter_map(|(what, found)| Some((what, found?)))
    }
}

/// Every way that there are cells of.
pub fn recoveries(cells: &[Cell]) -> Vec<Recoveries> {
    let of = |way: Way| {
        let few = |cell: &&&Cell| cell.card.measured.few_shot.is_some();
        let mine: Vec<&Cell> = cells.iter().filter(|cell| cell.is_method() && way.of(cell).is_some()).collect();
        let with_few: Vec<&&Cell> = mine.iter().filter(few).collect();
        let pair = |cell: &&&Cell, steered: f64| (steered, cell.card.measured.few_shot.map_or(0.0, |few| few.point));
        let peak = Recovered::of(with_few.iter().filter_map(|cell| Some(pair(cell, way.of(cell)?[0]))));
        let chosen = Recovered::of(with_few.iter().map(|cell| pair(cell, cell.card.measured.steered.point)));
        let chosen = (way != Way::FunctionVectorsDefault).then_some(chosen);
        (!with_few.is_empty()).then_some(Recoveries { way, peak, chosen })
    };
    Way::ALL.into_iter().filter_map(of).collect()
}

/// By number of heads, ascending, the best share of the few-shot accuracy over residuals, at strength 1 or over strengths, too; empty of
/// a cell without heads or without few-shot hits.
pub fn recovery_by_heads(cell: &Cell, at_one: bool) -> Vec<(usize, f64)> {
    let way = if at_one { Way::FunctionVectorsDefault } else { Way::FunctionVectorsSearch };
    let Some(few) = cell.card.measured.few_shot.map(|few| few.point).filter(|few| *few > 0.0) else {
        return Vec::new();
    };
    let takes = |setting: &Setting| way.takes(&cell.card.measured.subject.method, setting);
    let point = |(setting, share): &(Setting, f64)| match setting.0.get("heads") {
        Some(Value::Count(heads)) if takes(setting) => Some((*heads, share / few)),
        _ => None,
    };
    best_by(cell.grid.iter().filter_map(point))
}

/// The study's heat map: the share of the few-shot accuracy that steering recovers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Heat {
    /// Which settings.
    pub way: Way,
    /// The tasks, in columns.
    pub tasks: Vec<String>,
    /// The models.
    pub rows: Vec<HeatRow>,
}

/// A model's line of the heat map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeatRow {
    /// The model.
    pub model: String,
    /// By task, at the best setting; none where there is no cell, or no few-shot hit to recover.
    pub peak: Vec<Option<f64>>,
    /// By task, the mean over the settings.
    pub average: Vec<Option<f64>>,
}

/// A heat map of every way that there are cells of. Families stand together.
pub fn heat(cells: &[Cell]) -> Vec<Heat> {
    let of = |way: Way| {
        let mine: Vec<&Cell> = cells.iter().filter(|cell| cell.is_method() && way.of(cell).is_some()).collect();
        let share = |cell: &Cell| {
            let few = cell.card.measured.few_shot.map(|few| few.point).filter(|few| *few > 0.0)?;
            Some(way.of(cell)?.map(|found| found / few))
        };
        let ByTask { models, tasks, values } = by_model_and_task(&mine, share);
        let row = |(model, found): (String, Vec<Option<[f64; 2]>>)| {
            let by = |i: usize| found.iter().map(|both| both.map(|both| both[i])).collect();
            HeatRow { peak: by(0), average: by(1), model }
        };
        let rows: Vec<HeatRow> = models.into_iter().zip(values).map(row).collect();
        (!rows.is_empty()).then_some(Heat { way, tasks, rows })
    };
    Way::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::{Way, heat, recoveries};
    use crate::across::sample::four;
    use crate::record::{Setting, Value};

    #[test]
    fn recovery_is_of_the_few_shot_accuracy() {
        let all = recoveries(&four());
        assert_eq!(all.len(), 1);
        // Of eight cells two have 38 of 40, two have 30 of 40.
        assert_eq!((all[0].way, all[0].peak.cells, all[0].peak.reached), (Way::TaskVectors, 8, [4, 4, 2, 0]));
        assert_eq!(all[0].chosen.unwrap().reached, [4, 4, 2, 0]);
    }

    #[test]
    fn the_heat_map_has_a_row_per_model_and_a_column_per_task() {
        let maps = heat(&four());
        assert_eq!((maps.len(), maps[0].tasks.clone()), (1, vec!["one".to_string(), "two".into()]));
        let rows: Vec<&str> = maps[0].rows.iter().map(|row| row.model.as_str()).collect();
        assert_eq!(rows, ["a-1b", "a-1b-chat", "b-7b", "b-7b-chat"]);
        assert_eq!(maps[0].rows[2].peak, [Some(0.95), Some(0.95)]);
        assert_eq!(maps[0].rows[2].average, [Some(0.475), Some(0.475)]);
    }

    #[test]
    fn the_default_of_function_vectors_is_strength_one() {
        let mut cell = four().remove(0);
        cell.card.measured.subject.method = "function-vector".into();
        let setting = |strength: f64| Setting::residual(1).with("strength", Value::Number(strength));
        cell.grid = vec![(setting(1.0), 0.2), (setting(4.0), 0.8)];
        assert_eq!(Way::FunctionVectorsDefault.of(&cell), Some([0.2, 0.2]));
        assert_eq!(Way::FunctionVectorsSearch.of(&cell), Some([0.8, 0.5]));
        assert_eq!(Way::TaskVectors.of(&cell), None);
    }
}
