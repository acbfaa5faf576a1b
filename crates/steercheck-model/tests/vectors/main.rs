//! Steering vectors in files: what each format and each name means for a model.

#[path = "../common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::GgmlDType;
use candle_core::{Device, Tensor};
use common::gguf_writer::{Kind, Meta, Writer};
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use steercheck_model::{Directions, VectorFile, read_vectors};
use tempfile::TempDir;

/// Depth and width of the model that the files are for.
const DEPTH: usize = 4;
const WIDTH: usize = 8;

/// A direction with a number of its own.
fn direction(n: usize) -> Vec<f32> {
    (0..WIDTH).map(|i| n as f32 + i as f32 / 8.0).collect()
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A file's tensor: name, shape, type, bytes.
type Saved = (&'static str, Vec<usize>, Dtype, Vec<u8>);

fn vector(name: &'static str, n: usize) -> Saved {
    (name, vec![WIDTH], Dtype::F32, bytes(&direction(n)))
}

fn save(folder: &Path, tensors: &[Saved]) -> PathBuf {
    let views: HashMap<&str, TensorView<'_>> = tensors
        .iter()
        .map(|(name, shape, dtype, data)| (*name, TensorView::new(*dtype, shape.clone(), data).unwrap()))
        .collect();
    let path = folder.join("v.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

fn saved(tensors: &[Saved]) -> VectorFile {
    let folder = TempDir::new().unwrap();
    read_vectors(&save(folder.path(), tensors), None).unwrap_or_else(|e| panic!("{e}"))
}

/// Why these tensors are refused, or one of them.
fn refusal(tensors: &[Saved], tensor: Option<&str>) -> String {
    let folder = TempDir::new().unwrap();
    let read = read_vectors(&save(folder.path(), tensors), tensor);
    read.and_then(|file| file.directions(DEPTH, WIDTH)).expect_err("this must be refused").to_string()
}

/// The directions by residual.
fn placed(file: &VectorFile) -> Vec<(usize, Vec<f32>)> {
    match file.directions(DEPTH, WIDTH).unwrap_or_else(|e| panic!("{e}")) {
        Directions::Placed(all) => all.into_iter().map(|(b, v)| (b, v.to_vec())).collect(),
        Directions::Bare(v) => panic!("{v:?}"),
    }
}

fn control_vector() -> Writer {
    let mut file = Writer::new();
    file.meta("general.architecture", Meta::text("controlvector"));
    file.meta("controlvector.model_hint", Meta::text("llama"));
    file.meta("controlvector.layer_count", Meta::I32(3));
    file
}

fn add(file: &mut Writer, name: &str, numbers: &[f32], kind: Kind) {
    file.tensor(name, &Tensor::from_slice(numbers, numbers.len(), &Device::Cpu).unwrap(), kind);
}

fn read_gguf(file: &Writer) -> Result<VectorFile, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("v.gguf");
    std::fs::write(&path, file.write().bytes).unwrap();
    read_vectors(&path, None).map_err(|e| e.to_string())
}

#[test]
fn a_control_vector_written_by_repeng_acts_after_blocks_two_to_four() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/repeng.gguf");
    let file = read_vectors(&path, None).unwrap();
    assert_eq!((file.container, file.model_hint.as_deref(), file.width()), ("gguf", Some("llama"), WIDTH));
    assert_eq!((file.file.as_str(), file.hash.len()), ("repeng.gguf", 64));
    assert_eq!(placed(&file), [(2, direction(1)), (3, direction(2)), (4, direction(3))]);
    let one = read_vectors(&path, Some("direction.2")).unwrap();
    assert_eq!(placed(&one), [(3, direction(2))]);
}

#[test]
fn a_control_vector_of_any_stored_type_holds_what_was_written() {
    for kind in [Kind::F32, Kind::F16, Kind::Bf16, Kind::Ggml(GgmlDType::Q8_0), Kind::Ggml(GgmlDType::Q4K)] {
        let numbers: Vec<f32> = (0..256).map(|i| (i as f32 - 100.0) / 64.0).collect();
        let tensor = Tensor::from_slice(&numbers, 256, &Device::Cpu).unwrap();
        let mut file = control_vector();
        file.tensor("direction.1", &tensor, kind);
        let got = read_gguf(&file).unwrap().directions(DEPTH, 256).unwrap();
        let want: Arc<[f32]> = kind.rounded(&tensor).to_vec1::<f32>().unwrap().into();
        assert_eq!(got, Directions::Placed([(2, want)].into()), "{kind:?}");
    }
}

#[test]
fn a_gguf_file_that_is_no_control_vector_is_told_apart() {
    let refused = |change: &dyn Fn(&mut Writer)| {
        let mut file = control_vector();
        add(&mut file, "direction.1", &direction(1), Kind::F32);
        change(&mut file);
        read_gguf(&file).expect_err("this must be refused")
    };
    for (change, said) in [
        (
            &(|f: &mut Writer| f.meta("general.architecture", Meta::text("llama"))) as &dyn Fn(&mut Writer),
            "v.gguf: this is a model or an adapter ('llama'), not a control vector",
        ),
        (&|f| f.without("general.architecture"), "it names no general.architecture"),
        (&|f| f.without_tensor("direction.1"), "it holds no tensors"),
        (&|f| add(f, "direction.0", &direction(0), Kind::F32), "'direction.0', which llama.cpp refuses"),
        (&|f| add(f, "direction.2", &[1.0; 4], Kind::F32), "'direction.2' has 4"),
        (&|f| add(f, "direction.2x", &direction(2), Kind::F32), "(direction.2x)"),
        (&|f| add(f, "residual.2", &direction(2), Kind::F32), "both act on residual 2"),
        (&|f| add(f, "direction.2", &[f32::NAN; WIDTH], Kind::F32), "entry 0 (from 0) of its tensor 'direction.2'"),
        (&|f| f.meta("controlvector.model_hint", Meta::U32(1)), "is not a text"),
    ] {
        let got = refused(change);
        assert!(got.contains(said), "expected {said}\ngot      {got}");
    }
}

#[test]
fn one_tensor_of_any_name_and_type_is_a_vector_without_a_place() {
    let numbers = direction(2);
    let f64s: Vec<u8> = numbers.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
    let f16s: Vec<u8> = numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
    let bf16s: Vec<u8> = numbers.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
    for (name, shape, dtype, data) in [
        ("vector", vec![WIDTH], Dtype::F32, bytes(&numbers)),
        ("layer.7", vec![1, WIDTH], Dtype::F64, f64s),
        ("steering", vec![1, 1, WIDTH], Dtype::F16, f16s),
        ("v", vec![WIDTH, 1], Dtype::BF16, bf16s),
    ] {
        let file = saved(&[(name, shape, dtype, data)]);
        assert_eq!((file.container, &file.model_hint), ("safetensors", &None));
        let got = file.directions(DEPTH, WIDTH).unwrap();
        assert_eq!(got, Directions::Bare(numbers.clone().into()), "{name}");
    }
}

#[test]
fn names_say_the_residual() {
    let file = saved(&[
        vector("direction.3", 3),
        vector("residual.0", 0),
        vector("residual.1", 1),
        vector("blocks.1.hook_resid_post", 2),
        vector("blocks.3.hook_resid_pre", 5),
    ]);
    let got: Vec<(usize, f32)> = placed(&file).into_iter().map(|(b, v)| (b, v[0])).collect();
    assert_eq!(got, [(0, 0.0), (1, 1.0), (2, 2.0), (3, 5.0), (4, 3.0)]);
}

#[test]
fn the_rows_of_a_matrix_are_residuals_with_or_without_the_embeddings() {
    for (rows, first) in [(DEPTH, 1), (DEPTH + 1, 0)] {
        let numbers: Vec<f32> = (0..rows).flat_map(direction).collect();
        let file = saved(&[("all", vec![rows, 1, WIDTH], Dtype::F32, bytes(&numbers))]);
        let want: Vec<(usize, Vec<f32>)> = (0..rows).map(|i| (first + i, direction(i))).collect();
        assert_eq!(placed(&file), want);
    }
}

#[test]
fn one_of_several_tensors_can_be_chosen() {
    let folder = TempDir::new().unwrap();
    let path = save(folder.path(), &[vector("formal", 1), vector("angry", 2), vector("residual.3", 3)]);
    let bare = read_vectors(&path, Some("angry")).unwrap().directions(DEPTH, WIDTH).unwrap();
    assert_eq!(bare, Directions::Bare(direction(2).into()));
    let named = read_vectors(&path, Some("residual.3")).unwrap().directions(DEPTH, WIDTH).unwrap();
    assert_eq!(named, Directions::Placed([(3, direction(3).into())].into()));
}

#[test]
fn what_cannot_be_placed_or_does_not_fit_is_refused_with_what_to_do() {
    let ints: Saved = ("v", vec![WIDTH], Dtype::I32, vec![0; 4 * WIDTH]);
    let matrix = |name, rows: usize| (name, vec![rows, WIDTH], Dtype::F32, vec![0; 4 * rows * WIDTH]);
    let large: Saved = ("v", vec![1], Dtype::F64, 1e39f64.to_le_bytes().to_vec());
    let infinite: Saved = ("v", vec![2], Dtype::F32, bytes(&[1.0, f32::INFINITY]));
    for (tensors, tensor, said) in [
        (vec![vector("layer.1", 1), vector("layer.2", 2)], None, "(layer.1, layer.2): call them residual.N"),
        (vec![vector("formal", 1), vector("residual.2", 2)], None, "choose one: v.safetensors:formal@BLOCK"),
        (vec![vector("formal", 1)], Some("formel"), "no tensor 'formel' (did you mean 'formal'?); it has formal"),
        (vec![vector("residual.5", 1)], None, "after block 5 and the model has 4 blocks"),
        (vec![vector("residual.9999999", 1), vector("residual.1", 1)], None, "(residual.9999999)"),
        (vec![("v", vec![3], Dtype::F32, vec![0; 12])], None, "have 3 numbers and the model's residuals have 8"),
        (vec![matrix("v", 3)], None, "has 3 rows; a model of 4 blocks takes 4 (after each block) or 5"),
        (vec![matrix("residual.1", 4)], None, "one block takes one vector"),
        (vec![("v", vec![2, 2, 2], Dtype::F32, vec![0; 32])], None, "has shape [2, 2, 2]"),
        (vec![("v", vec![0, 8], Dtype::F32, vec![])], None, "has shape [0, 8]"),
        (vec![("v", vec![0], Dtype::F32, vec![])], None, "has shape [0]"),
        (vec![ints], None, "is stored as I32, which is not read"),
        (vec![large], None, "entry 0 (from 0) of its tensor 'v' is not a finite 32-bit number"),
        (vec![infinite], None, "entry 1 (from 0)"),
        (vec![], None, "it holds no tensors"),
    ] {
        let got = refusal(&tensors, tensor);
        assert!(got.contains(said), "expected {said}\ngot      {got}");
    }
}

#[test]
fn other_kinds_of_files_are_named() {
    let folder = TempDir::new().unwrap();
    for (start, said) in [
        (b"PK\x03\x04 and so on" as &[u8], "this is a PyTorch or NumPy archive; save the vector with"),
        (b"\x80\x02}q\x00(X\x06\x00\x00\x00vector", "this is a Python pickle"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "this is a NumPy array"),
        (b"[0.1, 0.2, 0.3]", "this is neither a safetensors file nor a GGUF file"),
        (b"GGUF", "damaged or incomplete"),
        (b"", "the file is empty"),
    ] {
        let path = folder.path().join("v");
        std::fs::write(&path, start).unwrap();
        let got = read_vectors(&path, None).expect_err("this must be refused").to_string();
        assert!(got.contains(said), "expected {said}\ngot      {got}");
    }
    assert!(read_vectors(folder.path(), None).unwrap_err().to_string().contains("not a regular file"));
    assert!(
        read_vectors(&folder.path().join("none"), None).unwrap_err().to_string().contains("check that the path exists")
    );
}
