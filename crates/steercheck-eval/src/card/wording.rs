//! The sentences of the verdicts. Each carries the figures that decide.

use steercheck_stats::Estimate;

use super::measure::{Comparison, Measured};
use super::verdict::{ENOUGH, LEAST_GAIN};

/// `58 %`.
fn percent(x: f64) -> String {
    format!("{:.0} %", 100.0 * x)
}

/// `+54 points [+40, +67]`.
fn points(e: &Estimate) -> String {
    format!("{:+.0} points [{:+.0}, {:+.0}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high)
}

/// `58 % steered, 4 % zero-shot, 85 % few-shot, n = 48`.
fn arms(m: &Measured) -> String {
    let few = m.few_shot.as_ref().map_or_else(String::new, |f| format!(", {} few-shot", percent(f.point)));
    let seeds = if m.seeds.len() > 1 { format!(" items, {} seeds", m.seeds.len()) } else { String::new() };
    let before = if m.scoring.is_some() { "unsteered" } else { "zero-shot" };
    format!("{} steered, {} {before}{few}, n = {}{seeds}", percent(m.steered.point), percent(m.zero_shot.point), m.n)
}

pub(super) fn invalid(reason: &str) -> String {
    format!("{reason}, so that no figure of this run counts")
}

pub(super) fn not_judged(m: &Measured) -> String {
    format!("no verdict: the protocol {} has no placebos to judge by ({})", m.subject.protocol, arms(m))
}

pub(super) fn untestable(m: &Measured) -> String {
    let least = 100.0 * LEAST_GAIN;
    match (&m.few_shot, &m.few_shot_gain) {
        (Some(few), Some(gain)) => format!(
            "five examples do not reliably raise this model's accuracy by {least:.0} points ({}: {} few-shot against {} \
             zero-shot, n = {}), so there is nothing for steering to recover",
            points(gain),
            percent(few.point),
            percent(m.zero_shot.point),
            m.n
        ),
        _ => "there is no few-shot arm, so that nothing says what steering should recover".to_string(),
    }
}

pub(super) fn too_few(m: &Measured, detectable: Option<f64>) -> String {
    let seen = detectable
        .map_or_else(String::new, |x| format!(", which show a change of {:.0} points at the least", 100.0 * x));
    format!(
        "a change of {:.0} points would not be seen on {} questions{seen}; ask more of them ({})",
        100.0 * LEAST_GAIN,
        m.n,
        arms(m)
    )
}

pub(super) fn harmful(m: &Measured) -> String {
    format!("steering makes the model worse, {} ({})", points(&m.effect), arms(m))
}

pub(super) fn positive(m: &Measured, enough: bool, every_seed: bool) -> String {
    let share = m.few_shot_gain.as_ref().filter(|f| f.point > 0.0).map_or_else(String::new, |few| {
        format!(", {} of what five examples gain", percent(m.effect.point / few.point))
    });
    let but = match (enough, every_seed) {
        (true, true) => String::new(),
        (false, _) => format!(", less than the {} that would make it reliable", percent(ENOUGH)),
        (true, false) => ", but not on every seed".to_string(),
    };
    let placebo = m.closest_placebo().map_or_else(String::new, |c| {
        format!("; ahead of every placebo, the closest ({}) by {}", c.arm, points(&c.advantage))
    });
    format!("steering gains {}{share}{but}{placebo} ({})", points(&m.effect), arms(m))
}

pub(super) fn small(m: &Measured) -> String {
    let least = 100.0 * LEAST_GAIN;
    format!(
        "steering changes the accuracy by {}, surely by less than {least:.0} points up ({})",
        points(&m.effect),
        arms(m)
    )
}

pub(super) fn unbeaten(m: &Measured, placebo: &Comparison) -> String {
    format!(
        "steering gains {}, but is not shown to do better than the placebo {}, {} ({}; {})",
        points(&m.effect),
        placebo.arm,
        percent(placebo.accuracy.point),
        points(&placebo.advantage),
        arms(m)
    )
}

pub(super) fn inconclusive(m: &Measured, items: Option<usize>) -> String {
    let items = items.map_or_else(String::new, |n| format!("; about {n} items would settle it"));
    format!(
        "steering changes the accuracy by {}, which leaves open whether it helps{items} ({})",
        points(&m.effect),
        arms(m)
    )
}
