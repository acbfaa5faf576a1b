use super::{Card, CardError, Verdict, cards};
use crate::conformance::Summary;
use crate::record::Record;
use crate::record::sample::{first, record, with_hits};

type Change = fn(&mut Record);

/// The card of one task's record.
fn card(hits: [usize; 6]) -> Card {
    cards(&[with_hits("past", 0, 48, hits)]).unwrap().remove(0)
}

fn verdict(hits: [usize; 6]) -> Verdict {
    card(hits).verdict.unwrap()
}

/// Zero-shot, few-shot, steered, random, shuffled, wrong task.
#[test]
fn the_table_of_verdicts_is_followed_row_by_row() {
    let cases = [
        ([2, 40, 36, 1, 8, 0], Verdict::Reliable),
        ([2, 44, 16, 1, 2, 0], Verdict::Partial),
        ([2, 40, 36, 1, 34, 0], Verdict::NoEffect),
        ([2, 40, 2, 1, 2, 0], Verdict::NoEffect),
        ([20, 40, 4, 20, 20, 20], Verdict::Harmful),
        ([2, 8, 36, 1, 8, 0], Verdict::Untestable),
        ([10, 40, 15, 10, 10, 10], Verdict::Inconclusive),
    ];
    for (hits, expected) in cases {
        let card = card(hits);
        assert_eq!(card.verdict, Some(expected), "{hits:?}: {}", card.reason);
    }
}

#[test]
fn a_placebo_that_does_as_well_takes_the_verdict_away() {
    assert_eq!(verdict([2, 40, 36, 1, 8, 0]), Verdict::Reliable);
    for placebo in 3..6 {
        let mut hits = [2, 40, 36, 1, 8, 0];
        hits[placebo] = 33;
        let card = card(hits);
        assert_eq!(card.verdict, Some(Verdict::NoEffect), "{}", card.reason);
        assert!(card.reason.contains("not shown to do better than the placebo"), "{}", card.reason);
    }
}

#[test]
fn a_verdict_carries_the_figures_that_decide() {
    let positive = card([2, 40, 36, 1, 8, 0]).reason;
    for part in
        ["+71 points [", "89 % of what five examples gain", "the closest (shuffled-labels)", "75 % steered", "n = 48"]
    {
        assert!(positive.contains(part), "{part} is not in: {positive}");
    }
    let open = card([10, 40, 15, 10, 10, 10]).reason;
    assert!(open.contains(" items would settle it"), "{open}");
    let items = open.split("about ").nth(1).and_then(|t| t.split(' ').next()).and_then(|n| n.parse::<usize>().ok());
    assert!(items.is_some_and(|n| n > 48), "{open}");
    let partial = card([2, 44, 16, 1, 2, 0]).reason;
    assert!(
        partial.contains("33 % of what five examples gain, less than the 50 % that would make it reliable"),
        "{partial}"
    );
}

#[test]
fn strength_zero_that_changes_something_an_edit_that_missed_and_a_model_that_fails_make_a_run_invalid() {
    let good = || with_hits("past", 0, 48, [2, 40, 36, 1, 8, 0]);
    let changes: [(Change, &str); 3] = [
        (|r| r.results.arms[3].outcomes[5].log_prob += 1e-12, "strength 0 changed the answer to item 5"),
        (|r| r.results.arms[2].outcomes[7].receipts[0].fired = 0, "'steered' did not fire as planned on item 7"),
        (
            |r| {
                let failed = vec!["batch = single".to_string()];
                r.results.conformance = Some(Summary { checks: 7, failed, largest_difference: Some(1.0) });
            },
            "conformance check 'batch = single'",
        ),
    ];
    for (change, words) in changes {
        let mut record = good();
        change(&mut record);
        let card = cards(&[record]).unwrap().remove(0);
        assert_eq!(card.verdict, Some(Verdict::Invalid));
        assert!(card.reason.contains(words), "{}", card.reason);
    }
}

#[test]
fn seeds_of_one_cell_make_one_card_whose_items_are_averaged() {
    let records = [
        with_hits("past", 1, 48, [2, 40, 36, 1, 8, 0]),
        with_hits("past", 0, 48, [2, 40, 30, 1, 8, 0]),
        with_hits("plural", 0, 48, [2, 40, 36, 1, 8, 0]),
    ];
    let cards = cards(&records).unwrap();
    assert_eq!(cards.len(), 2);
    let past = &cards[0].measured;
    assert_eq!((past.seeds.as_slice(), past.subject.task.as_str()), (&[0, 1][..], "past"));
    assert!((past.steered.point - 33.0 / 48.0).abs() < 1e-12);
    assert_eq!(past.gains.len(), 2);
    assert!((past.gains[0] - 28.0 / 48.0).abs() < 1e-12 && (past.gains[1] - 34.0 / 48.0).abs() < 1e-12);
    assert!(past.spread.is_some() && cards[1].measured.spread.is_none());
    let backwards: Vec<Record> = records.into_iter().rev().collect();
    let again = super::cards(&backwards).unwrap();
    assert_eq!(again.iter().find(|c| c.measured.subject.task == "past"), Some(&cards[0]));
}

#[test]
fn a_gain_that_one_seed_lacks_is_partial_at_most() {
    let records = [
        with_hits("past", 0, 100, [4, 90, 90, 3, 5, 0]),
        with_hits("past", 1, 100, [4, 90, 90, 3, 5, 0]),
        with_hits("past", 2, 100, [4, 90, 4, 3, 5, 0]),
    ];
    let card = cards(&records).unwrap().remove(0);
    assert_eq!(card.verdict, Some(Verdict::Partial), "{}", card.reason);
    assert!(card.reason.contains("but not on every seed"), "{}", card.reason);
}

#[test]
fn more_cells_of_a_model_make_each_test_stricter_and_cells_of_another_model_do_not() {
    let hits = [2, 40, 14, 1, 2, 0];
    let alone = cards(&[with_hits("past", 0, 48, hits)]).unwrap().remove(0);
    let tasks = ["past", "plural", "capital"].map(|task| with_hits(task, 0, 48, hits));
    let together = cards(&tasks).unwrap().remove(0);
    assert!((together.p_adjusted.unwrap() - 3.0 * alone.p_adjusted.unwrap()).abs() < 1e-12);
    let mut elsewhere = tasks;
    for record in &mut elsewhere[1..] {
        record.plan.model.weights = "x".repeat(64);
    }
    assert_eq!(cards(&elsewhere).unwrap()[0].p_adjusted, alone.p_adjusted);
}

#[test]
fn one_seed_twice_and_other_items_are_refused() {
    let record = || with_hits("past", 0, 48, [2, 40, 36, 1, 8, 0]);
    assert!(matches!(cards(&[record(), record()]), Err(CardError::SeedTwice { seed: 0, .. })));
    let mut other = with_hits("past", 1, 48, [2, 40, 36, 1, 8, 0]);
    other.results.items.test[3].answer = "else".into();
    assert!(matches!(cards(&[record(), other]), Err(CardError::NotOneCell { .. })));
}

#[test]
fn a_protocol_without_placebos_gets_figures_and_no_verdict() {
    let arms = [("zero-shot", first(4, 100)), ("few-shot", first(40, 48)), ("steered", first(36, 48))];
    let mut record = record("past", 0, &[arms[1].clone(), arms[2].clone()]);
    record.plan.counts.baseline = 100;
    record.plan.arms.insert(0, "zero-shot".into());
    let zero = crate::record::sample::record("past", 0, &arms[..1]).results.arms.remove(0);
    record.results.arms.insert(0, zero);
    record.results.dose = None;
    let card = cards(&[record]).unwrap().remove(0);
    assert_eq!(card.verdict, None);
    assert!(card.reason.starts_with("no verdict: "), "{}", card.reason);
    assert!((card.measured.zero_shot.point - 0.04).abs() < 1e-12 && card.measured.zero_shot.n == 100);
    assert!((card.measured.steered.point - 0.75).abs() < 1e-12, "what dev says is reported");
}

#[test]
fn the_same_records_give_the_same_card() {
    assert_eq!(card([2, 40, 36, 1, 8, 0]), card([2, 40, 36, 1, 8, 0]));
}
