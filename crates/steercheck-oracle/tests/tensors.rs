//! Result files, whole and damaged.

mod common;

use std::fs;
use std::path::Path;

use common::{f32s, f64s, i64s, u8s};
use safetensors::SafeTensors;
use steercheck_oracle::{Array, Error, TensorFile, Values, tensors};

fn sample() -> TensorFile {
    [
        ("a/f32", f32s(&[2, 1], &[1.5, f32::NEG_INFINITY])),
        ("a/f64", f64s(&[], &[-0.1])),
        ("a/i64", i64s(&[3], &[i64::MIN, 0, i64::MAX])),
        ("b/empty", f32s(&[0, 7], &[])),
        ("b/u8", u8s(&[1, 2], &[0, 255])),
    ]
    .map(|(name, array)| (name.to_owned(), array))
    .into()
}

/// A file with this header and this data.
fn handmade(path: &Path, header: &str, data: &[u8]) {
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), data].concat()).unwrap();
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.safetensors");
    tensors::write(&path, &sample()).unwrap();
    assert_eq!(tensors::read(&path).unwrap(), sample());
    let first = fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&first).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "1");

    tensors::write(&path, &sample()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first, "the same tensors give the same bytes");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["result.safetensors"], "no temporary file is left");
}

#[cfg(unix)]
#[test]
fn result_file_is_as_readable_as_any_other_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("result.safetensors"), folder.path().join("other"));
    tensors::write(&path, &sample()).unwrap();
    fs::write(&other, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&other));
}

#[test]
fn golden_files_are_read_and_written_back_byte_for_byte() {
    let Some(jobs) = common::jobs_folder() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for model in common::GOLDEN {
        let golden = jobs.join(format!("{model}.golden.safetensors"));
        let copy = folder.path().join(model);
        tensors::write(&copy, &tensors::read(&golden).unwrap()).unwrap();
        assert_eq!(tensors::read(&copy).unwrap(), tensors::read(&golden).unwrap(), "{model}");
        assert!(fs::read(&copy).unwrap() == fs::read(&golden).unwrap(), "{model}: other bytes");
    }
}

#[test]
fn other_dtypes_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    handmade(&path, r#"{"a/h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#, &[0; 4]);
    let said = tensors::read(&path).unwrap_err().to_string();
    assert_eq!(said, "tensor a/h has dtype F16, and only F32, F64, I64 and U8 can be read");
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.safetensors");
    for (header, data) in [
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4),
        (r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0),
        (r#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, 4),
        (r#"{"a":"#, 0),
        ("[]", 0),
    ] {
        handmade(&path, header, &vec![0; data]);
        assert!(matches!(tensors::read(&path), Err(Error::NotSafetensors { .. })), "{header}");
    }
    tensors::write(&path, &sample()).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(tensors::read(&path).is_err(), "cut to {length} bytes");
    }
    assert!(matches!(tensors::read(&folder.path().join("absent")), Err(Error::Read { .. })));
}

#[test]
fn tensor_whose_shape_does_not_fit_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.safetensors");
    let misfit = Array { shape: vec![2, 2], values: Values::I64(vec![1]) };
    let error = tensors::write(&path, &[("a/x".to_owned(), misfit)].into()).unwrap_err();
    assert_eq!(error.to_string(), "tensor a/x has shape [2, 2] and 1 values, which do not fit each other");
    assert!(!path.exists());
    let nowhere = folder.path().join("absent/result.safetensors");
    assert!(matches!(tensors::write(&nowhere, &sample()), Err(Error::Write { .. })));
}
