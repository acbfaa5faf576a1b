//! Model files that lost or changed bytes: an error or an unharmed result, never a panic.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::common::{
    folder, real_model, records, refusal, refused, run, says, stderr, succeeds, tiny_model, word_task,
};

/// Changes bytes of a file in place and returns what was there.
fn replace(path: &Path, at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let mut old = vec![0; bytes.len()];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut old).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
    old
}

#[test]
fn a_gguf_file_that_was_cut_off_is_refused_at_every_length() {
    let Some(real) = real_model() else { return };
    let here = folder();
    let cut = here.path().join("cut.gguf");
    std::fs::copy(real, &cut).unwrap();
    let whole = cut.metadata().unwrap().len();
    let lengths = [whole - 1, whole / 2, 4_000_000, 1_000_000, 100_000, 1000, 100, 24, 20, 8, 7, 4, 3, 1, 0];
    for length in lengths {
        File::options().write(true).open(&cut).unwrap().set_len(length).unwrap();
        let text = refusal(here.path(), &["check", "cut.gguf"]);
        says(&text, &["cut.gguf is damaged or incomplete (", "download it again"]);
    }
}

#[test]
fn a_flipped_bit_in_the_head_of_a_gguf_file_never_panics() {
    let Some(real) = real_model() else { return };
    let here = folder();
    let flipped = here.path().join("flipped.gguf");
    std::fs::copy(real, &flipped).unwrap();
    // Too few items: what survives loading ends before it runs.
    word_task(here.path(), "few.tsv", 3);
    // Magic, version, counts, the first keys and values, then spread over metadata and the directory of tensors.
    let places = [0, 4, 7, 8, 13, 16, 23, 24, 31, 33, 60, 64, 97, 150, 300, 700].into_iter();
    for (i, at) in places.chain((0..16).map(|i| 2000 + i * 113_777)).enumerate() {
        let old = replace(&flipped, at, &[0])[0];
        replace(&flipped, at, &[old ^ (1 << (i % 8))]);
        let arguments = ["check", "flipped.gguf", "--tasks", "few.tsv", "--dtype", "stored"];
        let text = refusal(here.path(), &arguments);
        assert!(at > 24 || !text.contains("usable items"), "byte {at}: {text}");
        replace(&flipped, at, &[old]);
    }
}

#[test]
fn quantised_weights_that_became_nan_invalidate_the_run() {
    let Some(real) = real_model() else { return };
    let here = folder();
    let nan = here.path().join("nan.gguf");
    std::fs::copy(real, &nan).unwrap();
    // In the middle of the blocks, and in the rows of the embedding, which is the unembedding as well.
    for at in [50_000_000, 10_000_000] {
        let old = replace(&nan, at, &[0xff; 4096]);
        let output = run(here.path(), &["check", "nan.gguf", "--tasks", "capitalise"]);
        says(&refused(&output, 1, here.path()), &["NaN or infinity"]);
        replace(&nan, at, &old);
    }
}

#[test]
fn safetensors_that_were_cut_off_are_refused_at_every_length() {
    let here = folder();
    let Some(tiny) = tiny_model(here.path()) else { return };
    let weights = tiny.join("model.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, 2000, 100, 9, 8, 7, 0] {
        std::fs::write(&weights, &whole[..length]).unwrap();
        says(&refusal(here.path(), &["check", "tiny"]), &["model.safetensors is damaged or incomplete ("]);
    }
    std::fs::remove_file(&weights).unwrap();
    says(&refusal(here.path(), &["check", "tiny"]), &["model.safetensors"]);
}

#[test]
fn a_flipped_bit_in_the_head_of_safetensors_never_panics() {
    let here = folder();
    let Some(tiny) = tiny_model(here.path()) else { return };
    word_task(here.path(), "few.tsv", 3);
    let weights = tiny.join("model.safetensors");
    for at in (0..64).chain((64..3000).step_by(131)) {
        let old = replace(&weights, at, &[0])[0];
        replace(&weights, at, &[old ^ (1 << (at % 8))]);
        refusal(here.path(), &["check", "tiny", "--tasks", "few.tsv"]);
        replace(&weights, at, &[old]);
    }
}

#[test]
fn weights_that_became_nan_or_infinite_invalidate_the_run_and_a_harmless_flip_does_not() {
    let here = folder();
    let Some(tiny) = tiny_model(here.path()) else { return };
    word_task(here.path(), "words.tsv", 90);
    let arguments = ["check", "tiny", "--tasks", "words.tsv"];
    let weights = tiny.join("model.safetensors");
    let near_the_end = weights.metadata().unwrap().len() - 4096;
    let infinity = f32::INFINITY.to_le_bytes().repeat(8);
    for bytes in [&[0xff; 32][..], &infinity] {
        let old = replace(&weights, near_the_end, bytes);
        says(&refused(&run(here.path(), &arguments), 1, here.path()), &["NaN or infinity"]);
        replace(&weights, near_the_end, &old);
    }
    let low_bit = replace(&weights, near_the_end, &[0])[0];
    replace(&weights, near_the_end, &[low_bit ^ 1]);
    succeeds(here.path(), &arguments);
    assert_eq!(records(here.path()).len(), 1);
}

#[test]
fn a_model_named_like_a_gguf_file_that_is_something_else_is_refused() {
    let here = folder();
    std::fs::write(here.path().join("page.gguf"), "<html>404</html>").unwrap();
    let output = run(here.path(), &["check", "page.gguf"]);
    says(&refused(&output, 2, here.path()), &["page.gguf", "does not begin with 'GGUF'"]);
    assert!(stderr(&output).lines().count() == 1);
}
