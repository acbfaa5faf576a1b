//! Whether a record says of itself what it holds. A digest shows that bytes are those that were written; this shows that what was
//! written is whole.

use std::collections::BTreeMap;

use super::{Arm, Plan, Record, Setting, Value};

/// The first thing that does not fit; none if all does.
pub(super) fn inconsistency(record: &Record, key: &str) -> Option<String> {
    let Record { plan, results, .. } = record;
    if plan.key() != key {
        return Some(format!("its key is {key}, and its plan has the key {}", plan.key()));
    }
    let parts = arms(record).or_else(|| items(record)).or_else(|| grid(record)).or_else(|| side_effects(record));
    let parts =
        parts.or_else(|| heads(record)).or_else(|| shots(record)).or_else(|| layers(record)).or_else(|| lens(record));
    parts.or_else(|| {
        let dose = results.dose.as_ref()?;
        let whole = dose.answer_log_probs.len() == plan.counts.test
            && dose.answer_log_probs.iter().all(|item| item.len() == dose.shares.len());
        if !whole {
            return Some("its doses are not one list per test item".to_string());
        }
        let asked = plan.counts.baseline == 0;
        let at_end = |hits: Option<&usize>, arm: &str| hits.copied() == record.arm(arm).map(|arm| arm.hits);
        let counted = dose.hits.is_empty()
            || dose.hits.len() == dose.shares.len()
                && dose.hits.iter().all(|hits| *hits <= plan.counts.test)
                && (!asked || at_end(dose.hits.first(), "zero-shot"))
                && at_end(dose.hits.last(), "steered");
        (!counted).then(|| "its doses count other hits than its arms".to_string())
    })
}

/// Arms that are missing, are not planned or do not count what they list.
fn arms(record: &Record) -> Option<String> {
    let (planned, found) = (&record.plan.arms, &record.results.arms);
    if let Some(name) = planned.iter().find(|name| !found.iter().any(|arm| arm.name == **name)) {
        return Some(format!("the arm '{name}' is missing"));
    }
    if let Some(arm) = found.iter().find(|arm| !planned.contains(&arm.name)) {
        return Some(format!("the arm '{}' was not planned", arm.name));
    }
    if !planned.iter().eq(found.iter().map(|arm| &arm.name)) {
        return Some("its arms repeat or are out of order".into());
    }
    found.iter().find_map(|arm| outcomes(arm, &record.plan))
}

fn outcomes(arm: &Arm, plan: &Plan) -> Option<String> {
    let counts = plan.counts;
    let n = if arm.name == "zero-shot" && counts.baseline > 0 { counts.baseline } else { counts.test };
    let found = if plan.method.name == "dola" { arm.scored.len() } else { arm.outcomes.len() };
    if found != n || arm.outcomes.len() + arm.scored.len() != n {
        return Some(format!("the arm '{}' has {found} outcomes of {n}", arm.name));
    }
    if arm.outcomes.iter().any(|o| o.completed && o.rank > 0) {
        return Some(format!("the arm '{}' completes an answer whose first token is not the most probable", arm.name));
    }
    let hits = arm.hits().iter().filter(|hit| **hit).count();
    (hits != arm.hits).then(|| format!("the arm '{}' counts {} hits and lists {hits}", arm.name, arm.hits))
}

fn items(record: &Record) -> Option<String> {
    let (counts, items) = (record.plan.counts, &record.results.items);
    let lists = [
        ("dev", counts.dev, &items.dev),
        ("test", counts.test, &items.test),
        ("baseline", counts.baseline, &items.baseline),
    ];
    lists
        .into_iter()
        .find(|(_, n, list)| list.len() != *n)
        .map(|(name, n, list)| format!("it lists {} of {n} {name} items", list.len()))
}

/// Settings that are missing or not on the axes, hits beyond the items, and a choice that is not the first best one.
fn grid(record: &Record) -> Option<String> {
    let (plan, results) = (&record.plan, &record.results);
    let size = if plan.grid.is_empty() { 0 } else { plan.grid.values().map(Vec::len).product() };
    let points = &results.grid;
    if points.len() != size {
        return Some(format!("its grid has {} settings of {size}", points.len()));
    }
    if let Some(point) = points.iter().find(|p| !on_axes(&p.setting, &plan.grid)) {
        return Some(format!("its grid has a setting that was not planned ({})", point.setting));
    }
    if points.iter().any(|p| p.dev > plan.counts.dev || p.test > plan.counts.test) {
        return Some("its grid counts more hits than items".into());
    }
    if plan.method.name == "dola" {
        return folds(record);
    }
    let most = points.iter().map(|p| p.dev).max();
    let first = points.iter().find(|p| Some(p.dev) == most);
    match (first, results.chosen.dev_hits) {
        (Some(first), hits) if (&first.setting, Some(first.dev)) != (&results.chosen.setting, hits) => {
            Some("its chosen setting is not the first with the most hits on dev".into())
        }
        (None, Some(_)) => Some("it counts dev hits without a grid".into()),
        _ => None,
    }
}

/// A choice that is not the first best one on all items, folds that are not a partition of them, or that chose what is not in the grid.
fn folds(record: &Record) -> Option<String> {
    let (plan, results) = (&record.plan, &record.results);
    let most = results.grid.iter().map(|p| p.test).max();
    let first = results.grid.iter().find(|p| Some(p.test) == most);
    if first.map(|p| &p.setting) != Some(&results.chosen.setting) && plan.protocol.name != "study" {
        return Some("its chosen setting is not the first with the most hits".into());
    }
    if let Some(fold) = results.folds.iter().find(|f| !on_axes(&f.setting, &plan.grid)) {
        return Some(format!("a fold has a setting that was not planned ({})", fold.setting));
    }
    if results.folds.iter().any(|f| f.hits + f.items.len() > plan.counts.test) {
        return Some("a fold counts more hits than items".into());
    }
    let mut items: Vec<usize> = results.folds.iter().flat_map(|f| f.items.iter().copied()).collect();
    items.sort_unstable();
    let whole = items.is_empty() || items.iter().copied().eq(0..plan.counts.test);
    (!whole).then(|| "its folds are not a partition of the items".into())
}

/// Side effects that are not as planned: missing, unplanned, of another text, of other windows.
fn side_effects(record: &Record) -> Option<String> {
    let (planned, found) = match (&record.plan.side_effects, &record.results.side_effects) {
        (None, None) => return None,
        (Some(planned), Some(found)) => (planned, found),
        (Some(_), None) => return Some("its side effects are missing".into()),
        (None, Some(_)) => return Some("it has side effects that were not planned".into()),
    };
    let windows = [found.kl.len(), found.nll_unsteered.len(), found.nll_steered.len()];
    let continuations = [found.repetition_unsteered.len(), found.repetition_steered.len()];
    let whole = found.text_hash == planned.text
        && found.kl_at_parts.len() == planned.parts
        && found.kl_at_parts.iter().all(|share| share.len() == planned.windows)
        && windows == [planned.windows; 3]
        && found.kl.iter().all(|window| window.len() == planned.measured)
        && continuations == [planned.continuations; 2];
    (!whole).then(|| "its side effects are not of the text and the windows that were planned".into())
}

/// A head map that is missing, or not one number per head everywhere.
fn heads(record: &Record) -> Option<String> {
    let Some(map) = &record.results.heads else {
        let planned = record.plan.method.name == "function-vector";
        return planned.then(|| "the effects of its heads are missing".into());
    };
    let width = map.mean.first().map_or(0, Vec::len);
    let tables = [&map.mean, &map.low, &map.high, &map.p_holm, &map.mean_log];
    let whole = |table: &Vec<Vec<f64>>| table.len() == map.mean.len() && table.iter().all(|row| row.len() == width);
    let whole = width > 0 && map.prompts > 0 && tables.into_iter().all(whole);
    if !whole {
        return Some("the effects of its heads are not one number per head".into());
    }
    let ordered = |((low, mean), high): ((&f64, &f64), &f64)| low <= mean && mean <= high;
    let flat = |table: &Vec<Vec<f64>>| table.concat();
    let (low, mean, high) = (flat(&map.low), flat(&map.mean), flat(&map.high));
    let fits =
        low.iter().zip(&mean).zip(&high).all(ordered) && flat(&map.p_holm).iter().all(|p| (0.0..=1.0).contains(p));
    (!fits).then(|| "the effects of its heads lie outside of their intervals".into())
}

/// Layers that do not count every question's tokens, or masks that count more than there are.
fn layers(record: &Record) -> Option<String> {
    let (results, n) = (&record.results, record.plan.counts.test);
    let whole = results.layer_use.iter().all(|used| {
        let counted = |layer: usize| used.by_item.iter().map(|row| row[layer]).sum::<usize>();
        used.tokens.len() == used.layers.len()
            && used.by_item.len() == n
            && used.by_item.iter().all(|row| row.len() == used.layers.len())
            && used.tokens.iter().enumerate().all(|(layer, tokens)| *tokens == counted(layer))
    });
    if !whole {
        return Some("its layers are not counted for every question".into());
    }
    let beyond = results.masks.iter().any(|m| m.masked > m.tokens || m.best > n);
    beyond.then(|| "its masks count more than there is".into())
}

/// A lens that is missing, or not one number per item, answer and residual.
fn lens(record: &Record) -> Option<String> {
    let Some(table) = &record.results.lens else {
        return (record.plan.method.name == "lens").then(|| "what the residuals say is missing".into());
    };
    let whole = table.items() == record.plan.counts.test && table.is_whole();
    (!whole).then(|| "what the residuals say is not one number per item, answer and residual".into())
}

/// Numbers of demonstrations other than planned, or more hits than items.
fn shots(record: &Record) -> Option<String> {
    let found: Vec<String> = record.results.shots.iter().map(|s| s.demonstrations.to_string()).collect();
    let planned = record.plan.method.options.get("shots").map_or_else(String::new, ToString::to_string);
    if found.join(" ") != planned {
        return Some(format!("it was asked with {} demonstrations, and '{planned}' were planned", found.join(" ")));
    }
    let most = record.plan.counts.test;
    record.results.shots.iter().any(|s| s.hits > most).then(|| "it counts more hits than items".into())
}

fn on_axes(setting: &Setting, axes: &BTreeMap<String, Vec<Value>>) -> bool {
    setting.0.len() == axes.len()
        && setting.0.iter().all(|(axis, value)| axes.get(axis).is_some_and(|v| v.contains(value)))
}
