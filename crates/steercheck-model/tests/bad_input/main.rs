//! Damaged, hostile and mistaken inputs: every one ends in one clear error, without a panic and in bounded memory.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/torch_writer.rs"]
mod torch_writer;

mod config;
mod gguf;
mod paths;
mod pytorch;
mod safetensors;
mod vectors;

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use steercheck_model::{FinalNorm, HeadKind, Kernels, LoadOptions, Loaded, ModelError, Precision, Reads};

/// The system's allocator, with a note of the largest single request.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// No file of these tests is larger than 1 MB, but for the ones that are refused for their many entries (up to 17 MB): a
/// request above this came from a number in a file.
const MOST: usize = 64 << 20;

// SAFETY: every call is passed on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// Fails if anything so far has asked for much more memory at once than the files have bytes.
fn memory_was_bounded() {
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest <= MOST, "one request was for {largest} bytes");
}

/// The name of an error's variant.
fn variant(error: &ModelError) -> &'static str {
    match error {
        ModelError::Io { .. } => "Io",
        ModelError::Damaged { .. } => "Damaged",
        ModelError::NotAModel { .. } => "NotAModel",
        ModelError::UnknownArchitecture { .. } => "UnknownArchitecture",
        ModelError::NotADecoder { .. } => "NotADecoder",
        ModelError::Config { .. } => "Config",
        ModelError::Tensor { .. } => "Tensor",
        ModelError::Vector { .. } => "Vector",
        ModelError::Memory { .. } => "Memory",
        ModelError::Plan(_) => "Plan",
        ModelError::NotFinite { .. } => "NotFinite",
        ModelError::Engine(_) => "Engine",
        _ => "another",
    }
}

/// Fails unless the text is one for people: a single line, no debug output, no novel.
fn is_clear(error: &ModelError) {
    let text = error.to_string();
    for debris in ["panicked", "Some(", "None", "Ok(", "Err(", "Os {", "Text(", "Int(", "Error {", "\n", "thread '"] {
        assert!(!text.contains(debris), "{debris:?} in: {text}");
    }
    assert!(text.len() > 20 && text.len() < 700, "{text}");
    assert!(!text.ends_with(['.', ' ', ':', ';']), "{text}");
}

/// Fails unless the error is of this variant and its text has this word.
fn is_about(what: &str, error: &ModelError, wanted: &str, word: &str) {
    is_clear(error);
    assert_eq!(variant(error), wanted, "{what}: {error}");
    assert!(error.to_string().contains(word), "{what}: '{word}' is not in: {error}");
}

/// Opens a model and reads a prompt with it.
fn use_model(path: &Path, options: &LoadOptions) -> Result<(), ModelError> {
    let loaded = Loaded::open(path, options)?;
    let model = loaded.model;
    let prompts = [vec![0, 2, 1], vec![0, 2]];
    model.trace(&prompts, &Reads::ALL)?;
    let top = model.last_residual(&prompts)?;
    model.read(&top, FinalNorm::Apply, HeadKind::Full, &[vec![0], vec![1]])?;
    // Without a tokenizer it is a model all the same.
    if let Ok(tokenizer) = loaded.tokenizer {
        tokenizer.encode("ab a")?;
    }
    Ok(())
}

/// Ways to load, of which mutation `i` gets one.
fn options(i: usize) -> LoadOptions {
    let (precision, kernels) = match i % 3 {
        0 => (Precision::F32, Kernels::Float),
        1 => (Precision::Stored, Kernels::Float),
        _ => (Precision::Auto, Kernels::Integer),
    };
    LoadOptions { precision, kernels, ..LoadOptions::default() }
}

/// What became of many mutated inputs.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    panics: Vec<String>,
}

impl Tally {
    /// Tries one input; a panic is noted and the next one can be tried.
    fn attempt<T>(&mut self, what: impl Fn() -> String, f: impl FnOnce() -> Result<T, ModelError>) {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(Ok(_)) => self.accepted += 1,
            Ok(Err(e)) => {
                let text = catch_unwind(AssertUnwindSafe(|| is_clear(&e)));
                // What the tensor engine refuses should have been refused before, in words about the input.
                if text.is_err() || variant(&e) == "Engine" {
                    self.panics.push(format!("{}: not clear: {e}", what()));
                }
                self.refused += 1;
            }
            Err(_) => self.panics.push(what()),
        }
    }

    /// Fails if anything panicked, or if the mutations were so mild or so harsh that nothing was tested.
    fn settle(self, name: &str) {
        println!("{name}: {} accepted, {} refused, {} panics", self.accepted, self.refused, self.panics.len());
        assert!(self.panics.is_empty(), "{name}: {} panics, e.g. {:#?}", self.panics.len(), &self.panics[..1]);
        assert!(self.refused > 0, "{name}: nothing was refused");
        memory_was_bounded();
    }
}
