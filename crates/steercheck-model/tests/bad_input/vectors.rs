//! Files of steering vectors that are cut short, flipped or lie.

use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use steercheck_model::{ModelError, read_vectors};
use tempfile::TempDir;

use super::common::gguf_writer::{Kind, Meta, Writer};
use super::{Tally, is_about};

const WIDTH: usize = 8;
const DEPTH: usize = 3;

fn control_vector() -> Vec<u8> {
    let mut file = Writer::new();
    file.meta("general.architecture", Meta::text("controlvector"));
    file.meta("controlvector.model_hint", Meta::text("llama"));
    file.meta("controlvector.layer_count", Meta::U32(2));
    for n in 1..DEPTH {
        let numbers = Tensor::full(n as f32, WIDTH, &Device::Cpu).unwrap();
        file.tensor(&format!("direction.{n}"), &numbers, Kind::F32);
    }
    file.write().bytes
}

fn safetensors(names: &[&str], shape: &[usize], dtype: Dtype) -> Vec<u8> {
    let data: Vec<u8> = (0..shape.iter().product::<usize>() * dtype.bitsize() / 8).map(|i| (i % 60) as u8).collect();
    let view = || TensorView::new(dtype, shape.to_vec(), &data).unwrap();
    ::safetensors::serialize(names.iter().map(|n| (*n, view())), None).unwrap()
}

fn read(path: &Path) -> Result<(), ModelError> {
    let file = read_vectors(path, None)?;
    file.directions(DEPTH, WIDTH).map(|_| ())
}

#[test]
fn a_vector_file_cut_anywhere_or_changed_anywhere_ends_in_a_clear_error_or_a_vector() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v");
    let mut tally = Tally::default();
    let sound = [
        control_vector(),
        safetensors(&["residual.1", "direction.2"], &[WIDTH], Dtype::F32),
        safetensors(&["all"], &[DEPTH + 1, WIDTH], Dtype::F16),
        safetensors(&["v"], &[1, WIDTH], Dtype::F64),
    ];
    for (i, bytes) in sound.iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        read(&path).unwrap_or_else(|e| panic!("{i}: {e}"));
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            tally.attempt(|| format!("{i} cut at {cut}"), || read(&path));
        }
        for at in 0..bytes.len() {
            for value in [0xff, bytes[at] ^ 1, b'"', b'9'] {
                let mut changed = bytes.clone();
                changed[at] = value;
                std::fs::write(&path, &changed).unwrap();
                tally.attempt(|| format!("{i} byte {at} = {value}"), || read(&path));
            }
        }
    }
    tally.settle("vectors");
}

#[test]
fn a_vector_file_that_lies_of_its_sizes_is_damaged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v.safetensors");
    for (header, said) in [
        (r#"{"v":{"dtype":"F32","shape":[4000000000000],"data_offsets":[0,16]}}"#, "damaged"),
        (r#"{"v":{"dtype":"F32","shape":[4],"data_offsets":[0,18446744073709551615]}}"#, "past the end"),
        (r#"{"v":{"dtype":"F32","shape":[4],"data_offsets":[8,16]}}"#, "damaged"),
        (r#"{"v":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,16]}}"#, "damaged"),
        ("{", "damaged"),
    ] {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 16]);
        std::fs::write(&path, bytes).unwrap();
        is_about(header, &read(&path).expect_err("this must be refused"), "Damaged", said);
    }
}

#[test]
fn a_name_of_any_length_makes_no_long_message() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v.safetensors");
    let names: Vec<String> = (0..50).map(|i| format!("{i}{}", "layer\n".repeat(500))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    std::fs::write(&path, safetensors(&names, &[WIDTH], Dtype::F32)).unwrap();
    is_about("long names", &read(&path).expect_err("this must be refused"), "Vector", "and 42 more");
}
