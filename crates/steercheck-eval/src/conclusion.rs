//! What a record says, in one sentence, by simple rules on intervals. The full verdict, with paired tests, is a later part of
//! this crate.

use steercheck_stats::{Estimate, difference, wilson};

use crate::protocol::Reported;
use crate::record::Record;

/// Confidence level of every interval.
pub const LEVEL: f64 = 0.95;
/// A few-shot prompt must gain at least this much for steering to have something to recover.
const LEAST_GAIN: f64 = 0.10;
/// A gain of this share of the few-shot gain is "works".
const ENOUGH: f64 = 0.5;

/// In what way a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The few-shot prompt does not teach the model the task.
    Untestable,
    /// Worse than the zero-shot prompt.
    Harmful,
    /// Better than zero-shot and every placebo, with at least half of the few-shot gain.
    Works,
    /// Better than zero-shot and every placebo, with less than that.
    Partly,
    /// Not shown to be better than zero-shot, or than a placebo.
    NoEffect,
}

/// A conclusion.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// Its kind.
    pub kind: Kind,
    /// One sentence with the figures that decide.
    pub sentence: String,
}

/// Accuracy of an arm with its Wilson interval; `None` where the arm is absent or empty.
pub fn accuracy(record: &Record, arm: &str) -> Option<Estimate> {
    let arm = record.arm(arm)?;
    wilson(arm.hits, arm.outcomes.len(), LEVEL).ok()
}

/// The method's accuracy as its protocol reports it.
pub fn reported(record: &Record) -> Option<Estimate> {
    match record.protocol.reported {
        Reported::TestAtDevChoice => accuracy(record, "steered"),
        Reported::DevPeak => wilson(record.chosen.dev_hits, record.chosen.dev_n, LEVEL).ok(),
    }
}

fn percent(x: f64) -> String {
    format!("{:.0} %", 100.0 * x)
}

/// Weighs a record.
pub fn conclude(record: &Record) -> Option<Conclusion> {
    let (zero, few, steered) = (accuracy(record, "zero-shot")?, accuracy(record, "few-shot")?, reported(record)?);
    let few_gain = difference(&few, &zero);
    let gain = difference(&steered, &zero);
    let placebos: Vec<(&str, Estimate)> = ["random-direction", "shuffled-labels", "wrong-task"]
        .into_iter()
        .filter_map(|n| Some((n, accuracy(record, n)?)))
        .collect();
    let highest = |a: &&(&str, Estimate), b: &&(&str, Estimate)| a.1.point.total_cmp(&b.1.point);
    let best = placebos.iter().max_by(highest);
    let unbeaten = placebos.iter().filter(|(_, p)| difference(&steered, p).low <= 0.0).max_by(highest);
    let of_gain = if few_gain.point > 0.0 { gain.point / few_gain.point } else { 0.0 };
    let at = format!("residual {}", record.chosen.residual);
    let arms = format!(
        "{} steered at {at}, {} zero-shot, {} few-shot",
        percent(steered.point),
        percent(zero.point),
        percent(few.point)
    );
    let placebo = best.map_or_else(
        || "; this protocol has no placebos".to_string(),
        |(n, p)| format!("; best placebo {n} {}", percent(p.point)),
    );
    let (kind, sentence) = if few_gain.low < LEAST_GAIN {
        let sentence = format!(
            "untestable: five examples do not reliably raise this model's accuracy by {:.0} points ({} few-shot against {} zero-shot, n = {}), so there is nothing for steering to recover",
            100.0 * LEAST_GAIN,
            percent(few.point),
            percent(zero.point),
            few.n
        );
        (Kind::Untestable, sentence)
    } else if gain.high < 0.0 {
        (Kind::Harmful, format!("harmful: steering makes it worse ({arms}{placebo})"))
    } else if gain.low <= 0.0 {
        (Kind::NoEffect, format!("no gain over the unsteered model is shown ({arms}{placebo})"))
    } else if let Some((name, p)) = unbeaten {
        let sentence = format!("not shown to be better than the placebo {name}, {} ({arms})", percent(p.point));
        (Kind::NoEffect, sentence)
    } else {
        let (kind, how) = if of_gain >= ENOUGH { (Kind::Works, "works here") } else { (Kind::Partly, "works in part") };
        let share = percent(of_gain);
        (kind, format!("{how}: steering recovers {share} of what five examples gain ({arms}{placebo})"))
    };
    Some(Conclusion { kind, sentence })
}
