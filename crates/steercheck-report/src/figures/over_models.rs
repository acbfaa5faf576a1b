//! The figures over all models and tasks: those of the study, and what was published beside what was measured.

use std::collections::{BTreeMap, BTreeSet};

use steercheck_eval::across::{
    ByTask, Cell, Heat as Recovered, by_model_and_task, interval, models, recovery_by_heads, task_group,
};
use steercheck_eval::card::LEVEL;
use steercheck_stats::{Estimate, wilson};

use super::{anchor, choices, items_of, percent};
use crate::figure::{Figure, Forest, ForestRow, Heat, Lines, Panel, Plot, Point, Series, Shades};
use crate::{Report, method_name};

/// Lines that a forest plot is read with.
const FOREST: usize = 60;
/// Curves of one panel that can be told apart.
const CURVES: usize = 8;

/// A figure before it knows its records.
pub(super) struct Drawn {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) caption: String,
    pub(super) plot: Plot,
}

/// All of them that the cells have something for.
pub(crate) fn all(report: &Report<'_>) -> Vec<Figure> {
    let (cells, all) = (&report.cells, &report.summaries);
    let mut drawn = gains(cells);
    for map in &all.heat {
        drawn.extend([("peak", 0), ("average", 1)].map(|(what, of)| recovery(cells, map, what, of)));
    }
    drawn.extend(thresholds(report));
    drawn.extend(choices::best_settings(cells));
    drawn.extend(by_heads(cells));
    drawn.extend(tuned(report));
    drawn.extend(shots(cells));
    drawn.extend(optimism(cells));
    drawn.extend(published(report));
    drawn.extend(protocols(report));
    let sources = report.sources();
    let whole =
        |d: Drawn| Figure { id: d.id, title: d.title, caption: d.caption, sources: sources.clone(), plot: d.plot };
    drawn.into_iter().map(whole).collect()
}

fn group(method: &str) -> usize {
    ["task-vector", "function-vector", "dola"].iter().position(|name| *name == method).unwrap_or(3)
}

/// Cells of a method that nothing was put in the place of.
pub(super) fn of_method<'c>(cells: &'c [Cell], method: &str) -> Vec<&'c Cell> {
    cells.iter().filter(|cell| cell.card.measured.subject.method == method && cell.is_method()).collect()
}

/// A line per cell while there are few, a heat map per method where there are many.
fn gains(cells: &[Cell]) -> Vec<Drawn> {
    if cells.is_empty() {
        return Vec::new();
    }
    if cells.len() <= FOREST {
        let row = |cell: &Cell| {
            let m = &cell.card.measured;
            let (point, interval) = percent(&m.effect);
            let subject = &m.subject;
            let label = format!("{}, {}, {}", subject.model, method_name(&subject.method), subject.task);
            ForestRow { label, group: group(&subject.method), point, interval, n: m.n }
        };
        let caption = format!(
            "Steered minus unsteered on the same items, in points, with 95 % intervals, n = {} items per cell; colours are methods.",
            items_of(cells)
        );
        let rows = cells.iter().map(row).collect();
        let plot = Plot::Forest(Forest { x: "gain, points".into(), from: Some(0.0), rows });
        return vec![Drawn { id: "gains".into(), title: "What steering gains".into(), caption, plot }];
    }
    let heat = |method: &str| {
        let mine = of_method(cells, method);
        if mine.is_empty() {
            return None;
        }
        let gain = |cell: &Cell| Some(100.0 * cell.card.measured.effect.point);
        let ByTask { models: rows, tasks: columns, values } = by_model_and_task(&mine, gain);
        let plot = Plot::Heat(Heat {
            x: "task".into(),
            y: "model".into(),
            unit: "points".into(),
            columns,
            rows,
            values,
            shades: Shades::Around(100.0),
        });
        let caption = format!(
            "Steered minus unsteered on the same items, n = {} items per cell; intervals stand in the verdicts above.",
            items_of(mine.iter().copied())
        );
        let title = format!("What {} gain", method_name(method));
        Some(Drawn { id: anchor(&["gains", method]), title, caption, plot })
    };
    ["task-vector", "function-vector", "dola", "vector"].into_iter().filter_map(heat).collect()
}

fn recovery(cells: &[Cell], map: &Recovered, what: &str, of: usize) -> Drawn {
    let values = map.rows.iter().map(|row| {
        let shares = if of == 0 { &row.peak } else { &row.average };
        shares.iter().map(|share| share.map(|s| 100.0 * s)).collect()
    });
    let words = if of == 0 { "at the best setting" } else { "on average over the settings" };
    let plot = Plot::Heat(Heat {
        x: "task".into(),
        y: "model".into(),
        unit: "% of few-shot".into(),
        columns: map.tasks.clone(),
        rows: map.rows.iter().map(|row| row.model.clone()).collect(),
        values: values.collect(),
        shades: Shades::Rising([0.0, 100.0]),
    });
    Drawn {
        id: anchor(&["recovery", map.way.text(), what]),
        title: format!("Recovery by {}, {words}", map.way.text()),
        caption: format!(
            "Accuracy by few-shot accuracy on the reported items, n = {} per cell; the best setting is chosen with hindsight, as in the study.",
            items_of(cells)
        ),
        plot,
    }
}

/// The study's table of recovery, as shares of the cells.
fn thresholds(report: &Report<'_>) -> Option<Drawn> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for of in &report.summaries.recoveries {
        for (what, found) in of.counted() {
            rows.push(format!("{}, {what} (n = {} cells)", of.way.text(), found.cells));
            values.push(found.shares().iter().map(|share| Some(100.0 * share)).collect());
        }
    }
    let counts = report.summaries.recoveries.iter().map(|of| of.peak.cells);
    let most = counts.max()?;
    let plot = Plot::Heat(Heat {
        x: "recovered share of the few-shot accuracy".into(),
        y: String::new(),
        unit: "% of cells".into(),
        columns: ["≥ 50 %", "≥ 75 %", "≥ 90 %", "≥ 100 %"].map(String::from).to_vec(),
        rows,
        values,
        shades: Shades::Rising([0.0, 100.0]),
    });
    Some(Drawn {
        id: "recovery-thresholds".into(),
        title: "How many cells recover how much".into(),
        caption: format!(
            "Cells of models × tasks, n = {most} at most; best on the reported items is chosen with hindsight, as the published tables count."
        ),
        plot,
    })
}

/// An estimate of a mean with its interval, or the mean alone of a single value.
fn averaged(values: &[f64]) -> Option<Point> {
    if values.is_empty() {
        return None;
    }
    let point = values.iter().sum::<f64>() / values.len() as f64;
    let interval = interval(values).map(|e| [100.0 * e.low, 100.0 * e.high]);
    Some(Point { x: 0.0, y: 100.0 * point, interval })
}

/// Recovery against the number of heads, by group of tasks: at strength 1, and at the best strength.
fn by_heads(cells: &[Cell]) -> Option<Drawn> {
    let mine = of_method(cells, "function-vector");
    let mut groups: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in &mine {
        groups.entry(task_group(&cell.card.measured.subject.task)).or_default().push(cell);
    }
    let panel = |title: &str, one: bool| {
        let series = groups.iter().map(|(name, cells)| {
            let mut by: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            for (heads, share) in cells.iter().flat_map(|cell| recovery_by_heads(cell, one)) {
                by.entry(heads).or_default().push(share);
            }
            let point =
                |(heads, shares): (usize, Vec<f64>)| Some(Point { x: (heads as f64).log2(), ..averaged(&shares)? });
            let name = format!("{name} ({})", cells.len());
            Series { name, points: by.into_iter().filter_map(point).collect() }
        });
        Panel { title: title.into(), series: series.filter(|s| !s.points.is_empty()).collect(), marks: Vec::new() }
    };
    let panels = [panel("strength 1", true), panel("best strength", false)];
    let panels: Vec<Panel> = panels.into_iter().filter(|panel| !panel.series.is_empty()).collect();
    (!panels.is_empty()).then(|| Drawn {
        id: "recovery-by-heads".into(),
        title: "Recovery against the number of heads".into(),
        caption: format!(
            "Function vectors: accuracy at the best residual by few-shot accuracy, averaged over the cells of a group of tasks, n = {} cells \
             of {} items; bands are 95 % intervals over cells. Chosen with hindsight, as in the study.",
            mine.len(),
            items_of(mine.iter().copied())
        ),
        plot: Plot::Lines(Lines {
            x: "number of heads".into(),
            y: "% of few-shot".into(),
            range: None,
            columns: 2,
            log2: true,
            panels,
        }),
    })
}

/// Tuned models beside those they were tuned from.
fn tuned(report: &Report<'_>) -> Option<Drawn> {
    let mut rows = Vec::new();
    for pair in &report.summaries.pairs {
        let method = steercheck_eval::across::named(&pair.method, method_name);
        for (i, (model, group)) in [(&pair.base, 7), (&pair.tuned, group(&pair.method))].into_iter().enumerate() {
            let (point, low, high) = match &pair.intervals[i] {
                Some(e) => (e.point, e.low, e.high),
                None => (pair.gains[i], pair.gains[i], pair.gains[i]),
            };
            let label = format!("{method}, {model}{}", if i == 1 { " (tuned)" } else { "" });
            let interval = [100.0 * low, 100.0 * high];
            rows.push(ForestRow { label, group, point: 100.0 * point, interval, n: pair.tasks });
        }
    }
    let tasks = report.summaries.pairs.iter().map(|pair| pair.tasks).max()?;
    Some(Drawn {
        id: "base-and-tuned".into(),
        title: "Pre-trained and tuned models".into(),
        caption: format!(
            "Mean gain over the tasks that both were tried on, with 95 % intervals over tasks where there are several; n = {tasks} tasks at \
             most. Grey: the model that was pre-trained only."
        ),
        plot: Plot::Forest(Forest { x: "gain, points".into(), from: Some(0.0), rows }),
    })
}

/// The unsteered model's accuracy by number of demonstrations, task by task.
fn shots(cells: &[Cell]) -> Option<Drawn> {
    // Methods ask the same model the same; the first that was asked with the most numbers of demonstrations stands for it.
    let mut by: BTreeMap<&str, BTreeMap<&str, &Cell>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.shots.len() > 1) {
        let subject = &cell.card.measured.subject;
        let kept = by.entry(&subject.task).or_default().entry(&subject.model).or_insert(cell);
        if cell.shots.len() > kept.shots.len() {
            *kept = cell;
        }
    }
    let shown: Vec<&Cell> = by.values().flat_map(BTreeMap::values).copied().collect();
    let names = models(&shown);
    if names.is_empty() {
        return None;
    }
    let each = names.len() <= CURVES;
    let panel = |(task, of_task): (&&str, &BTreeMap<&str, &Cell>)| {
        let series = if each {
            let curve = |name: &&str| {
                let cell = of_task.get(name)?;
                let interval = |share: f64| {
                    let n = cell.card.measured.n;
                    let e = wilson((share * n as f64).round() as usize, n, LEVEL).ok()?;
                    Some([100.0 * e.low, 100.0 * e.high])
                };
                let point = |(shots, share): &(usize, f64)| Point {
                    x: *shots as f64,
                    y: 100.0 * share,
                    interval: interval(*share),
                };
                Some(Series { name: (*name).to_string(), points: cell.shots.iter().map(point).collect() })
            };
            names
                .iter()
                .map(|name| curve(name).unwrap_or(Series { name: (*name).to_string(), points: Vec::new() }))
                .collect()
        } else {
            let mut shares: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            for (shots, share) in of_task.values().flat_map(|cell| &cell.shots) {
                shares.entry(*shots).or_default().push(*share);
            }
            let point = |(shots, all): (usize, Vec<f64>)| Some(Point { x: shots as f64, ..averaged(&all)? });
            vec![Series { name: "mean of the models".into(), points: shares.into_iter().filter_map(point).collect() }]
        };
        Panel { title: (*task).to_string(), series, marks: Vec::new() }
    };
    let over = if each { "items" } else { "models" };
    Some(Drawn {
        id: "demonstrations".into(),
        title: "What demonstrations are worth".into(),
        caption: format!(
            "Accuracy of the unsteered model with so many demonstrations, n = {} models, n = {} items per cell; bands are 95 % intervals over {over}.",
            names.len(),
            items_of(shown.iter().copied())
        ),
        plot: Plot::Lines(Lines {
            x: "demonstrations".into(),
            y: "accuracy, %".into(),
            range: Some([0.0, 100.0]),
            columns: 4,
            log2: false,
            panels: by.iter().map(panel).collect(),
        }),
    })
}

/// The chosen setting on the items that chose it, on the reported ones, and the best on these.
fn optimism(cells: &[Cell]) -> Option<Drawn> {
    let with: Vec<&Cell> = cells.iter().filter(|cell| cell.card.measured.optimism.is_some()).collect();
    let mut rows = Vec::new();
    let three = |cell: &Cell| {
        let m = &cell.card.measured;
        m.optimism.as_ref().map(|o| [o.dev, m.steered, o.oracle])
    };
    let words = [("where it was chosen", 4), ("as reported", 0), ("best with hindsight", 1)];
    if 3 * with.len() <= FOREST {
        for cell in &with {
            let subject = &cell.card.measured.subject;
            for (e, (what, group)) in three(cell).into_iter().flatten().zip(words) {
                let (point, interval) = percent(&e);
                let label = format!("{}, {}, {}: {what}", subject.model, method_name(&subject.method), subject.task);
                rows.push(ForestRow { label, group, point, interval, n: e.n });
            }
        }
    } else {
        let methods: BTreeSet<&str> = with.iter().map(|cell| cell.card.measured.subject.method.as_str()).collect();
        for method in methods {
            let mine = || with.iter().filter(|cell| cell.card.measured.subject.method == method);
            for (i, (what, group)) in words.into_iter().enumerate() {
                let values: Vec<f64> = mine().filter_map(|cell| Some(three(cell)?[i].point)).collect();
                let Some(e) = interval(&values) else { continue };
                let (point, interval) = percent(&e);
                let label = format!("{}: {what}", method_name(method));
                rows.push(ForestRow { label, group, point, interval, n: values.len() });
            }
        }
    }
    (!rows.is_empty()).then(|| Drawn {
        id: "optimism".into(),
        title: "What choosing with hindsight would add".into(),
        caption: format!(
            "Accuracy at the chosen setting on the items that chose it and on the reported ones, and of the setting that is best on the \
             reported ones; n = {} cells of {} items, 95 % intervals.",
            with.len(),
            items_of(with.iter().copied())
        ),
        plot: Plot::Forest(Forest { x: "accuracy, %".into(), from: None, rows }),
    })
}

/// What was published beside what was measured.
fn published(report: &Report<'_>) -> Option<Drawn> {
    let beside = &report.summaries.beside;
    if beside.is_empty() {
        return None;
    }
    let named = |b: &steercheck_eval::across::Beside| format!("{}, {}, {}", b.model, method_name(&b.method), b.task);
    let least = beside.iter().map(|b| b.measured.n).min()?;
    let title = "Published and measured".to_string();
    if 2 * beside.len() <= FOREST {
        let mut rows = Vec::new();
        for b in beside {
            let hits = (b.published * b.published_n as f64).round() as usize;
            let theirs = wilson(hits, b.published_n, LEVEL).ok()?;
            let pair = [("published", 7, theirs), ("measured", group(&b.method), b.measured)];
            for (whose, group, e) in pair {
                let (point, interval) = percent(&e);
                let label = format!("{}, {}: {whose}", named(b), b.figure);
                rows.push(ForestRow { label, group, point, interval, n: e.n });
            }
        }
        let caption = format!(
            "Published figures and ours with 95 % intervals, n = {least} measured items and more; items and protocols are not the same."
        );
        let plot = Plot::Forest(Forest { x: "accuracy, %".into(), from: None, rows });
        return Some(Drawn { id: "published".into(), title, caption, plot });
    }
    let rows: BTreeSet<String> = beside.iter().map(&named).collect();
    let mut columns: Vec<&str> = Vec::new();
    for b in beside {
        if !columns.contains(&b.figure) {
            columns.push(b.figure);
        }
    }
    let at = |row: &String, column: &str| {
        let found = beside.iter().find(|b| b.figure == column && named(b) == *row)?;
        Some(100.0 * found.difference)
    };
    let values = rows.iter().map(|row| columns.iter().map(|column| at(row, column)).collect()).collect();
    let plot = Plot::Heat(Heat {
        x: "figure".into(),
        y: String::new(),
        unit: "measured minus published, points".into(),
        columns: columns.iter().map(|c| (*c).to_string()).collect(),
        rows: rows.into_iter().collect(),
        values,
        shades: Shades::Around(50.0),
    });
    let caption = format!(
        "Measured minus published, n = {least} measured items and more; the table above has both with their n."
    );
    Some(Drawn { id: "published".into(), title, caption, plot })
}

/// One model, method and task under several protocols or choices.
fn protocols(report: &Report<'_>) -> Vec<Drawn> {
    let mut out = Vec::new();
    for several in choices::several(report) {
        let first = &several.cells[0].0.card.measured;
        let rows = several.cells.iter().flat_map(|(cell, choice)| {
            let m = &cell.card.measured;
            let row = |what: &str, group: usize, e: &Estimate| {
                let (point, interval) = percent(e);
                ForestRow { label: format!("{choice}: {what}"), group, point, interval, n: e.n }
            };
            [row("unsteered", 7, &m.zero_shot), row("steered", 0, &m.steered)]
        });
        let subject = &first.subject;
        out.push(Drawn {
            id: anchor(&["protocols", &subject.model, &subject.method, &subject.task]),
            title: format!(
                "What the protocol is worth: {} on {}, {}",
                method_name(&subject.method),
                subject.task,
                subject.model
            ),
            caption: format!(
                "Accuracy in per cent under each choice, with 95 % intervals, n = {} items. The dashed line is the first row's steered accuracy.",
                items_of(several.cells.iter().map(|(cell, _)| *cell))
            ),
            plot: Plot::Forest(Forest {
                x: "accuracy, %".into(),
                from: Some(100.0 * first.steered.point),
                rows: rows.collect(),
            }),
        });
    }
    out
}
