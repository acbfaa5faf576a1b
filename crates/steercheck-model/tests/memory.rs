//! Memory is known beforehand: what a pass really takes stays below what was estimated, and the estimate is not idle.

mod common;

use std::sync::Mutex;

use candle_core::{DType, Tensor};
use common::open;
use common::random::{self, Sizes};
use peak_alloc::PeakAlloc;
use steercheck_model::{Edit, EditedPrompt, LoadOptions, Loaded, Operation, Precision, ReadAt, Reads, Row, Site};
use steercheck_testkit::shared;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// One measurement at a time: the allocator counts for all threads.
static ALONE: Mutex<()> = Mutex::new(());

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
    let _alone = ALONE.lock().unwrap();
    for name in ["llama_llama3rope", "gemma3_text", "mistral_sliding"] {
        let model = open(&shared, name, "config.json", &LoadOptions::default());
        let prompts: Vec<Vec<u32>> =
            (0..400).map(|i| (0..40).map(|j| (i * 31 + j * 7 + i * j) % 150).collect()).collect();
        let d = model.spec.hidden_size;
        // Buffers that thread pools and the allocator keep after their first use.
        model.trace(&prompts[..4], &Reads::ALL).unwrap();

        let reads = Reads { heads: ReadAt::Last, ..Reads::LAST_RESIDUALS };
        let (_, trace) = peak(|| model.trace(&prompts, &reads).unwrap());
        let tops = Reads { top: ReadAt::All, ..Reads::default() };
        let (_, trace_tops) = peak(|| model.trace(&prompts, &tops).unwrap());
        let (prefixes, prefill) = peak(|| model.prefill(&prompts).unwrap());
        let rows: Vec<Row<'_>> = prefixes
            .iter()
            .flat_map(|p| (0..=model.spec.depth()).map(move |b| (p, b)))
            .map(|(p, b)| Row::edited(p, vec![Edit::last(Site::Residual(b), Operation::Replace(vec![0.5; d].into()))]))
            .collect();
        let (_, replay) = peak(|| model.replay(&rows).unwrap());
        let then: Vec<u32> = (0..20).map(|i| i * 5 + 1).collect();
        let longer: Vec<Row<'_>> = prefixes.iter().map(|p| Row::baseline_from(p, 39).then(&then)).collect();
        let (_, suffixes) = peak(|| model.replay_suffixes(&longer).unwrap());
        let whole: Vec<EditedPrompt> =
            prompts.iter().map(|p| EditedPrompt { tokens: p.clone(), edits: Vec::new() }).collect();
        let (_, decoding) = peak(|| model.continue_greedily(&whole, 16).unwrap());
        for (what, took, estimate) in [
            ("trace", trace, model.trace_bytes(&prompts, &reads)),
            ("tops", trace_tops, model.trace_bytes(&prompts, &tops)),
            ("prefill", prefill, model.prefill_bytes(&prompts)),
            ("replay", replay, model.replay_bytes(&rows).unwrap()),
            ("suffixes", suffixes, model.suffixes_bytes(prompts.len(), 21, 60)),
            ("decoding", decoding, model.decoding_bytes(prompts.len(), 40, 40, 16)),
        ] {
            let share = took / estimate as f64;
            println!("{name:18} {what:8} took {took:>10} of {estimate:>10} estimated ({share:.2})");
            assert!(share <= 1.0, "{name} {what}: took {took}, estimated {estimate}");
            assert!(share >= 0.25, "{name} {what}: took {took}, estimated {estimate}: idle");
        }
    }
}

/// What the process holds of the files in a folder that it has mapped: pages in memory, and those of them that are copies of
/// its own, in kB.
#[cfg(target_os = "linux")]
fn mapped(folder: &std::path::Path) -> (u64, u64) {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut inside, mut resident, mut own) = (false, 0, 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Rss:"), Some(kb)) if inside => resident += kb.parse::<u64>().unwrap(),
            (Some("Anonymous:"), Some(kb)) if inside => own += kb.parse::<u64>().unwrap(),
            (Some(first), _) if !first.ends_with(':') => inside = line.contains(&*folder.to_string_lossy()),
            _ => {}
        }
    }
    (resident, own)
}

#[test]
fn weights_in_bf16_are_used_as_they_lie_in_pages_that_every_process_shares() {
    let _alone = ALONE.lock().unwrap();
    let sizes = Sizes { vocab: 4000, hidden: 256, inner: 704, blocks: 4, heads: 8, kv_heads: 4, head_dim: 32 };
    let config = random::config("llama", sizes);
    let narrow = |(name, tensor): (String, Tensor)| (name, tensor.to_dtype(DType::BF16).unwrap());
    let tensors: random::Tensors = random::tensors(&config, 3).into_iter().map(narrow).collect();
    let folder = tempfile::TempDir::new().unwrap();
    random::write_folder(folder.path(), &config, &tensors);
    drop(tensors);
    let prompts = random::prompts(sizes.vocab, &[9, 4], 1);
    // Buffers that thread pools and the allocator keep after their first use.
    Loaded::open(folder.path(), &LoadOptions::default()).unwrap().model.trace(&prompts, &Reads::ALL).unwrap();

    let (model, loading) = peak(|| Loaded::open(folder.path(), &LoadOptions::default()).unwrap().model);
    assert_eq!(model.info.precision, Precision::Stored);
    let (_, running) = peak(|| model.trace(&prompts, &Reads::ALL).unwrap());
    let file = model.info.file_bytes as f64;
    println!("file {file} bytes, peak while loading {loading}, while running {running}");
    assert!(loading < 0.1 * file && running < 0.25 * file, "{loading} and {running} of {file}");
    #[cfg(target_os = "linux")]
    {
        let (resident, own) = mapped(folder.path());
        assert!(resident as f64 * 1024.0 > 0.9 * file && own == 0, "{resident} kB of {file} bytes, {own} kB copied");
    }
}
