//! The figures of one card.

use std::collections::BTreeMap;

use steercheck_eval::Record;
use steercheck_eval::across::Cell;
use steercheck_eval::card::LEVEL;
use steercheck_eval::record::Setting;
use steercheck_stats::{Estimate, wilson};

use super::{anchor, count, percent};
use crate::figure::{Bars, Figure, Forest, ForestRow, Heat, Lines, Mark, Panel, Plot, Point, Series, Shades};

/// The figures of one card.
pub(crate) fn of_card(cell: &Cell, records: &[&Record], id: &str) -> Vec<Figure> {
    let sources: Vec<String> = records.iter().map(|record| record.key()).collect();
    let named = |name: &str, title: &str, caption: String, plot: Plot| Figure {
        id: format!("{id}-{name}"),
        title: title.to_string(),
        caption,
        sources: sources.clone(),
        plot,
    };
    let n = cell.card.measured.n;
    let mut out = vec![named(
        "arms",
        "Every arm on the same items",
        format!("Accuracy in per cent with 95 % intervals, n = {n} items; placebos below the method."),
        Plot::Forest(arms(cell)),
    )];
    if let Some(lines) = by_residual(cell) {
        let caption = format!(
            "Accuracy on the reported items (n = {n}) by the residual that is steered{}; seeds averaged. Dashed: the unsteered model \
             without and with demonstrations.",
            if lines.panels.len() > 1 { ", for every strength and number of heads" } else { "" }
        );
        out.push(named("layers", "Accuracy by residual", caption, Plot::Lines(lines)));
    }
    if let Some(heat) = best_of_axes(cell) {
        let (title, of) = if cell.card.measured.subject.method == "dola" {
            ("Bucket and α", "The better of the accuracies with and without the log-softmax, for every bucket and α")
        } else {
            ("Strength and number of heads", "The best residual's accuracy for every strength and number of heads")
        };
        out.push(named("grid", title, format!("{of}, n = {n}: seen with hindsight."), Plot::Heat(heat)));
    }
    if let Some((heat, prompts)) = head_map(records) {
        let caption =
            format!("Mean effect of every head on the answer's probability, n = {prompts} prompts; first seed.");
        out.push(named("heads", "Where the task's heads are", caption, Plot::Heat(heat)));
    }
    if let Some(lines) = dose(records) {
        let caption =
            format!("Mean log-probability of the answers at shares of the full strength, n = {n}; first seed.");
        out.push(named("dose", "What the strength does", caption, Plot::Lines(lines)));
    }
    if let Some(lines) = cost(records) {
        let caption = format!(
            "Accuracy on the reported items (n = {n}) against what the same strength does to neutral text, from nothing at the left to a \
             quarter, a half, three quarters and all of the strength; bands are 95 % intervals of the accuracy, first seed."
        );
        out.push(named("cost", "What steering wins and what it costs", caption, Plot::Lines(lines)));
    }
    if let Some(scoring) = &cell.card.measured.scoring {
        for used in &scoring.layer_use {
            let tokens: usize = used.tokens.iter().sum();
            let share = |count: &usize| 100.0 * *count as f64 / tokens.max(1) as f64;
            let bars = used.layers.iter().zip(&used.tokens).map(|(layer, n)| (layer.to_string(), share(n))).collect();
            let plot = Plot::Bars(Bars { x: "residual".into(), y: "% of tokens".into(), bars });
            let title = format!("Premature residuals chosen in the bucket {}", used.bucket);
            let caption = format!(
                "Share of the answer tokens that chose each residual, n = {tokens} tokens; {} ties.",
                used.tied
            );
            out.push(named(&format!("layers-{}", anchor(&[&used.bucket])), &title, caption, plot));
        }
        if let Some(lens) = &scoring.lens {
            let plot = Plot::Lines(lens_curves(&lens.curve));
            let caption = format!(
                "Mean probabilities through the final norm and the head, with 95 % intervals, n = {} questions.",
                lens.n
            );
            out.push(named("lens", "The logit lens: does what is true rise later?", caption, plot));
        }
    }
    out
}

fn arms(cell: &Cell) -> Forest {
    let m = &cell.card.measured;
    let row = |label: &str, group: usize, e: &Estimate| {
        let (point, interval) = percent(e);
        ForestRow { label: label.to_string(), group, point, interval, n: e.n }
    };
    let mut rows = vec![row("unsteered", 7, &m.zero_shot)];
    rows.extend(m.few_shot.as_ref().map(|few| row("demonstrations", 2, few)));
    rows.push(row("steered", 0, &m.steered));
    rows.extend(m.placebos.iter().map(|placebo| row(&placebo.arm, 1, &placebo.accuracy)));
    if let Some(optimism) = &m.optimism {
        rows.push(row("on the items that chose", 4, &optimism.dev));
        rows.push(row("best on these items", 4, &optimism.oracle));
    }
    Forest { x: "accuracy, %".into(), from: Some(100.0 * m.zero_shot.point), rows }
}

/// Curves over the residual: one, or one per strength in a panel per number of heads.
fn by_residual(cell: &Cell) -> Option<Lines> {
    let m = &cell.card.measured;
    let mut panels: BTreeMap<u64, BTreeMap<u64, Vec<Point>>> = BTreeMap::new();
    for (setting, share) in &cell.grid {
        let x = count(setting, "residual")?;
        // Bits of positive numbers have their order.
        let key = |axis: &str| count(setting, axis).unwrap_or(0.0).to_bits();
        let point = Point { x, y: 100.0 * share, interval: None };
        panels.entry(key("heads")).or_default().entry(key("strength")).or_default().push(point);
    }
    let marks = || {
        let few = m.few_shot.as_ref().map(|few| Mark { name: "few-shot".into(), y: 100.0 * few.point });
        [Mark { name: "unsteered".into(), y: 100.0 * m.zero_shot.point }].into_iter().chain(few).collect::<Vec<_>>()
    };
    let name = |strength: u64| match f64::from_bits(strength) {
        0.0 => "steered".to_string(),
        strength => format!("λ = {strength}"),
    };
    let panel = |(heads, curves): (u64, BTreeMap<u64, Vec<Point>>)| {
        let series = curves.into_iter().map(|(strength, mut points)| {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Series { name: name(strength), points }
        });
        let heads = f64::from_bits(heads);
        Panel {
            title: if heads > 0.0 { format!("{heads} heads") } else { String::new() },
            series: series.collect(),
            marks: marks(),
        }
    };
    let panels: Vec<Panel> = panels.into_iter().map(panel).collect();
    (!panels.is_empty()).then(|| Lines {
        x: "residual (0 the embeddings)".into(),
        y: "accuracy, %".into(),
        range: Some([0.0, 100.0]),
        columns: 4,
        log2: false,
        panels,
    })
}

/// The best accuracy for every pair of the other two axes; none where there are not two.
fn best_of_axes(cell: &Cell) -> Option<Heat> {
    let (rows_of, columns_of) = match cell.card.measured.subject.method.as_str() {
        "function-vector" => ("strength", "heads"),
        "dola" => ("alpha", "bucket"),
        _ => return None,
    };
    let text = |setting: &Setting, axis: &str| setting.0.get(axis).map(ToString::to_string);
    let (mut rows, mut columns): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut best: BTreeMap<(String, String), f64> = BTreeMap::new();
    for (setting, share) in &cell.grid {
        let (row, column) = (text(setting, rows_of)?, text(setting, columns_of)?);
        for (list, name) in [(&mut rows, &row), (&mut columns, &column)] {
            if !list.contains(name) {
                list.push(name.clone());
            }
        }
        let most = best.entry((row, column)).or_insert(0.0);
        *most = most.max(100.0 * share);
    }
    let value = |row: &String, column: &String| best.get(&(row.clone(), column.clone())).copied();
    let values = rows.iter().map(|row| columns.iter().map(|column| value(row, column)).collect()).collect();
    let words = |axis: &str| match axis {
        "strength" => "strength λ".to_string(),
        "heads" => "number of heads".to_string(),
        "alpha" => "α".to_string(),
        other => other.to_string(),
    };
    (!rows.is_empty()).then(|| Heat {
        x: words(columns_of),
        y: words(rows_of),
        unit: "%".into(),
        columns,
        rows,
        values,
        shades: Shades::Rising([0.0, 100.0]),
    })
}

/// Effects of the first seed's heads, and the prompts behind them.
fn head_map(records: &[&Record]) -> Option<(Heat, usize)> {
    let map = records.first()?.results.heads.as_ref()?;
    let heads = map.mean.first()?.len();
    let most = map.mean.iter().flatten().fold(0.0, |most: f64, effect| most.max(effect.abs()));
    let heat = Heat {
        x: "head".into(),
        y: "block".into(),
        unit: "change of probability".into(),
        columns: (0..heads).map(|head| head.to_string()).collect(),
        rows: (1..=map.mean.len()).map(|block| block.to_string()).collect(),
        values: map.mean.iter().map(|row| row.iter().map(|effect| Some(*effect)).collect()).collect(),
        shades: Shades::Around(most),
    };
    Some((heat, map.prompts))
}

fn dose(records: &[&Record]) -> Option<Lines> {
    let dose = records.first()?.results.dose.as_ref()?;
    let n = dose.answer_log_probs.len().max(1) as f64;
    let mean = |i: usize| dose.answer_log_probs.iter().map(|item| item[i]).sum::<f64>() / n;
    let points =
        dose.shares.iter().enumerate().map(|(i, share)| Point { x: *share, y: mean(i), interval: None }).collect();
    Some(Lines {
        x: "share of the full strength".into(),
        y: "log-probability, nats".into(),
        range: None,
        columns: 1,
        log2: false,
        panels: vec![Panel {
            title: String::new(),
            series: vec![Series { name: "answers".into(), points }],
            marks: Vec::new(),
        }],
    })
}

/// Accuracy against the mean divergence on neutral text along the strength; none where one of them was not measured.
fn cost(records: &[&Record]) -> Option<Lines> {
    let record = records.first()?;
    let (dose, side) = (record.results.dose.as_ref()?, record.results.side_effects.as_ref()?);
    let n = record.plan.counts.test;
    let mean = |values: &[f32]| values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len().max(1) as f64;
    let mut kl: Vec<f64> = vec![0.0];
    kl.extend(side.kl_at_parts.iter().map(|share| mean(share)));
    kl.push(mean(&side.kl.concat()));
    if side.kl_at_parts.is_empty() || dose.hits.len() != kl.len() {
        return None;
    }
    let point = |(x, hits): (f64, &usize)| {
        let (y, interval) = percent(&wilson(*hits, n, LEVEL).ok()?);
        Some(Point { x, y, interval: Some(interval) })
    };
    let points = kl.into_iter().zip(&dose.hits).map(point).collect::<Option<Vec<_>>>()?;
    Some(Lines {
        x: "KL from the unsteered model on neutral text, nats per token".into(),
        y: "accuracy, %".into(),
        range: Some([0.0, 100.0]),
        columns: 1,
        log2: false,
        panels: vec![Panel {
            title: String::new(),
            series: vec![Series { name: "along the strength".into(), points }],
            marks: Vec::new(),
        }],
    })
}

fn lens_curves(curve: &[steercheck_eval::card::LensPoint]) -> Lines {
    type Of = fn(&steercheck_eval::card::LensPoint) -> Option<Estimate>;
    let all: [(&str, Of); 3] = [
        ("most probable token", |p| Some(p.top)),
        ("right answer", |p| Some(p.right)),
        ("likeliest wrong answer", |p| p.wrong),
    ];
    let series = all.into_iter().map(|(name, of)| {
        let point = |p: &steercheck_eval::card::LensPoint| {
            let (y, interval) = percent(&of(p)?);
            Some(Point { x: p.residual as f64, y, interval: Some(interval) })
        };
        Series { name: name.to_string(), points: curve.iter().filter_map(point).collect() }
    });
    let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
    Lines {
        x: "residual (0 the embeddings)".into(),
        y: "probability, %".into(),
        range: Some([0.0, 100.0]),
        columns: 1,
        log2: false,
        panels: vec![Panel { title: String::new(), series, marks: Vec::new() }],
    }
}
