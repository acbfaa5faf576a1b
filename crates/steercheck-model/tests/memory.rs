//! Memory is known beforehand: what a pass really takes stays below what was estimated, and the estimate is not idle.

mod common;

use common::open;
use peak_alloc::PeakAlloc;
use steercheck_model::{Edit, LoadOptions, Operation, ReadAt, Reads, Row, Site};
use steercheck_testkit::shared;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// Bytes that `work` takes at its peak above what was there before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, f64) {
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    let out = work();
    (out, PEAK.peak_usage().saturating_sub(before) as f64)
}

#[test]
fn passes_stay_below_their_estimates_and_the_estimates_are_within_a_factor_of_four() {
    let Some(shared) = shared() else { return };
    for name in ["llama_llama3rope", "gemma3_text", "mistral_sliding"] {
        let model = open(&shared, name, "config.json", &LoadOptions::default());
        let prompts: Vec<Vec<u32>> =
            (0..400).map(|i| (0..40).map(|j| (i * 31 + j * 7 + i * j) % 150).collect()).collect();
        let d = model.spec.hidden_size;
        // Buffers that thread pools and the allocator keep after their first use.
        model.trace(&prompts[..4], &Reads::ALL).unwrap();

        let reads = Reads { heads: ReadAt::Last, ..Reads::LAST_RESIDUALS };
        let (_, trace) = peak(|| model.trace(&prompts, &reads).unwrap());
        let (prefixes, prefill) = peak(|| model.prefill(&prompts).unwrap());
        let rows: Vec<Row<'_>> = prefixes
            .iter()
            .flat_map(|p| (0..=model.spec.depth()).map(move |b| (p, b)))
            .map(|(p, b)| Row::edited(p, vec![Edit::last(Site::Residual(b), Operation::Replace(vec![0.5; d].into()))]))
            .collect();
        let (_, replay) = peak(|| model.replay(&rows).unwrap());
        for (what, took, estimate) in [
            ("trace", trace, model.trace_bytes(&prompts, &reads)),
            ("prefill", prefill, model.prefill_bytes(&prompts)),
            ("replay", replay, model.replay_bytes(&rows).unwrap()),
        ] {
            let share = took / estimate as f64;
            println!("{name:18} {what:8} took {took:>10} of {estimate:>10} estimated ({share:.2})");
            assert!(share <= 1.0, "{name} {what}: took {took}, estimated {estimate}");
            assert!(share >= 0.25, "{name} {what}: took {took}, estimated {estimate}: idle");
        }
    }
}
