//! Whether a result agrees with the golden one: the rules of `oracle.py compare`.
//!
//! Only tensors of the golden result are compared; others are ignored. Tolerances are computed in the golden tensor's own
//! precision, as torch does. This is stricter than `oracle.py` in five cases that it accepts or cannot express:
//!
//! * a NaN anywhere, also in `seconds` and in tensors that only serve to judge others (`margin`, `mask_margin`);
//! * a different dtype with equal values;
//! * an infinite golden value of a quantity with a relative tolerance, which allows everything there;
//! * a golden tensor of a quantity without a rule;
//! * nothing to compare: an empty golden result, or a job none of whose values was compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{Comparison, Failure, JobComparison, Outcome, QuantityComparison, Reason};
use crate::rules::{Case, Files};
use crate::tally::{Tally, raise};
use crate::tensors::{Array, TensorFile, Values};
use crate::tolerances::{Rule, Tolerances};

/// The jobs that a result has tensors of: the parts of their names before the first slash.
pub fn jobs_in(file: &TensorFile) -> BTreeSet<String> {
    file.keys().map(|name| job_of(name).to_owned()).collect()
}

/// The tensors of these jobs alone.
pub fn restrict(file: &TensorFile, jobs: &BTreeSet<String>) -> TensorFile {
    let kept = file.iter().filter(|(name, _)| jobs.contains(job_of(name)));
    kept.map(|(name, array)| (name.clone(), array.clone())).collect()
}

/// Compares the jobs that were run and leaves the golden's other jobs out. A job without golden tensors disagrees.
pub fn compare_jobs(
    golden: &TensorFile,
    other: &TensorFile,
    tolerances: &Tolerances,
    ran: &BTreeSet<String>,
) -> Comparison {
    let mut comparison = compare(&restrict(golden, ran), other, tolerances);
    comparison.jobs.extend(ran.difference(&jobs_in(golden)).map(|job| JobComparison {
        failures: vec![Failure { tensor: job.clone(), reason: Reason::NoGolden }],
        ..blank(job, Outcome::Disagrees)
    }));
    comparison.jobs.sort_by(|a, b| a.job.cmp(&b.job));
    comparison
}

/// Compares everything in the golden result.
pub fn compare(golden: &TensorFile, other: &TensorFile, tolerances: &Tolerances) -> Comparison {
    let files = Files { golden, other, tolerances };
    let mut jobs: BTreeMap<&str, JobComparison> = BTreeMap::new();
    for (name, array) in golden {
        let job = job_of(name);
        let job = jobs.entry(job).or_insert_with(|| blank(job, Outcome::Agrees));
        let quantity = name.rsplit_once('/').map(|(_, quantity)| quantity);
        let (tally, reasons) = match quantity.map(Rule::of) {
            None => (None, vec![Reason::Name]),
            Some(None) => (None, vec![Reason::UnknownQuantity]),
            Some(Some(rule)) => judge(&files, name, array, rule),
        };
        if let (Some(tally), Some(quantity)) = (tally, quantity) {
            add(&mut job.quantities, quantity, &tally, tolerances, reasons.is_empty());
        }
        job.failures.extend(reasons.into_iter().map(|reason| Failure { tensor: name.clone(), reason }));
    }
    let jobs = jobs.into_values().map(settle).collect();
    Comparison { jobs }
}

fn job_of(name: &str) -> &str {
    name.split_once('/').map_or(name, |(job, _)| job)
}

/// A job of which nothing was compared.
pub(crate) fn blank(job: &str, outcome: Outcome) -> JobComparison {
    JobComparison { job: job.to_owned(), kind: None, outcome, quantities: Vec::new(), failures: Vec::new() }
}

/// Adds a tensor to its job's line for the quantity.
fn add(lines: &mut Vec<QuantityComparison>, quantity: &str, tally: &Tally, by: &Tolerances, agrees: bool) {
    let at = lines.binary_search_by(|line| line.quantity.as_str().cmp(quantity)).unwrap_or_else(|at| {
        let allowed = Rule::of(quantity).map_or_else(String::new, |rule| rule.allowed(by));
        let line = QuantityComparison {
            quantity: quantity.to_owned(),
            values: 0,
            ties: 0,
            largest_difference: None,
            largest_share: None,
            allowed,
            outcome: Outcome::Agrees,
        };
        lines.insert(at, line);
        at
    });
    let line = &mut lines[at];
    line.values += tally.values;
    line.ties += tally.ties;
    tally.largest.into_iter().for_each(|value| raise(&mut line.largest_difference, value));
    tally.share.into_iter().for_each(|value| raise(&mut line.largest_share, value));
    if !agrees {
        line.outcome = Outcome::Disagrees;
    }
}

/// A job agrees if nothing failed and something was compared.
fn settle(mut job: JobComparison) -> JobComparison {
    if job.failures.is_empty() && job.quantities.iter().all(|quantity| quantity.values == 0) {
        job.failures.push(Failure { tensor: job.job.clone(), reason: Reason::NothingCompared });
    }
    if !job.failures.is_empty() {
        job.outcome = Outcome::Disagrees;
    }
    job
}

/// Compares one tensor. No tally if the quantity is not one that is compared.
fn judge(files: &Files<'_>, name: &str, golden: &Array, rule: Rule) -> (Option<Tally>, Vec<Reason>) {
    let other = files.other.get(name);
    let (golden_nan, other_nan) = (count_nan(golden), other.map_or(0, count_nan));
    let mut reasons = Vec::new();
    if golden_nan + other_nan > 0 {
        reasons.push(Reason::NotANumber { golden: golden_nan, other: other_nan });
    }
    if rule == Rule::Ignored {
        return (None, reasons);
    }
    let mut tally = Tally::default();
    match other.ok_or(Reason::Missing).and_then(|other| comparable(golden, other)) {
        Err(reason) => reasons.push(reason),
        Ok(other) => match (Case { name, golden, other, files }).tally(rule) {
            Err(why) => reasons.push(Reason::Unjudged { why }),
            Ok(found) => {
                reasons.extend(found.reasons(&golden.shape, rule.broken()));
                tally = found;
            }
        },
    }
    (if rule == Rule::Present { None } else { Some(tally) }, reasons)
}

fn count_nan(array: &Array) -> usize {
    match &array.values {
        Values::F32(values) => values.iter().filter(|value| value.is_nan()).count(),
        Values::F64(values) => values.iter().filter(|value| value.is_nan()).count(),
        Values::I64(_) | Values::U8(_) => 0,
    }
}

/// Whether values can be compared one by one.
fn comparable<'a>(golden: &Array, other: &'a Array) -> Result<&'a Array, Reason> {
    if golden.shape != other.shape {
        Err(Reason::Shape { golden: golden.shape.clone(), other: other.shape.clone() })
    } else if golden.values.dtype() != other.values.dtype() {
        Err(Reason::Dtype { golden: golden.values.dtype(), other: other.values.dtype() })
    } else if golden.is_consistent() && other.is_consistent() {
        Ok(other)
    } else {
        Err(Reason::Unjudged { why: "the shape and the number of values do not fit".to_owned() })
    }
}
