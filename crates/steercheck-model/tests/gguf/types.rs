//! Every stored type, mixed types and alignments, and the integer kernels.

use candle_core::Tensor;
use candle_core::quantized::GgmlDType;
use steercheck_model::{Kernels, LoadOptions, Loaded, Precision};
use tempfile::TempDir;

use super::common::convert::convert;
use super::common::gguf_writer::Kind;
use super::common::random::{self, Sizes, Tensors};
use super::{PRECISIONS, between, open, open_folder, open_gguf};

/// Matrices rounded as a file of this kind has them.
fn rounded(tensors: &Tensors, kind: Kind) -> Tensors {
    let one = |t: &Tensor| if t.dims().len() > 1 { kind.rounded(t) } else { t.clone() };
    tensors.iter().map(|(n, t)| (n.clone(), one(t))).collect()
}

#[test]
fn every_stored_type_gives_the_model_whose_weights_were_rounded_the_same_way() {
    let ggml = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q2K,
        GgmlDType::Q3K,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
    ];
    for kind in [Kind::F32, Kind::F16, Kind::Bf16].into_iter().chain(ggml.map(Kind::Ggml)) {
        for family in ["llama", "qwen2"] {
            let sizes = if kind.block() > 32 { Sizes::WIDE } else { Sizes::SMALL };
            let config = random::config(family, sizes);
            let tensors = random::tensors(&config, 11);
            let reference = open_folder(&config, &rounded(&tensors, kind));
            let file = convert(&config, &tensors, kind);
            for precision in PRECISIONS {
                let model = open_gguf(&file, precision);
                let d = between(&model, &reference);
                println!("{kind:?} {family} {precision:?}: {d}");
                assert!(d <= 1e-5, "{kind:?} {family} {precision:?}: {d}");
                let most = model.info.stored_types.values().max().copied();
                assert_eq!(most, Some(2 + 7 * sizes.blocks), "{:?}", model.info.stored_types);
            }
        }
    }
}

#[test]
fn types_may_differ_from_tensor_to_tensor_and_data_may_be_aligned_to_any_number() {
    let config = random::config("llama", Sizes::SMALL);
    let tensors = random::tensors(&config, 17);
    let kinds = [Kind::Ggml(GgmlDType::Q4_0), Kind::F16, Kind::Ggml(GgmlDType::Q8_0), Kind::F32, Kind::Bf16];
    let mut mixed = Tensors::new();
    for (i, (name, tensor)) in tensors.iter().enumerate() {
        mixed.insert(name.clone(), if tensor.dims().len() > 1 { kinds[i % 5].rounded(tensor) } else { tensor.clone() });
    }
    let reference = open_folder(&config, &mixed);
    for alignment in [1, 2, 8, 64, 4096] {
        let mut file = convert(&config, &Tensors::new(), Kind::F32);
        file.align(alignment);
        // Each kind's conversion, of which the tensors of that kind are taken.
        for (i, (name, tensor)) in tensors.iter().enumerate() {
            let one = Tensors::from([(name.clone(), tensor.clone())]);
            convert(&config, &one, kinds[i % 5]).move_tensors_to(&mut file);
        }
        for precision in PRECISIONS {
            let d = between(&open_gguf(&file, precision), &reference);
            assert!(d <= 1e-5, "alignment {alignment} {precision:?}: {d}");
        }
    }
}

#[test]
fn integer_kernels_run_for_k_quants_alone_come_near_the_float_ones_and_the_record_says_which_ran() {
    let config = random::config("llama", Sizes::WIDE);
    let tensors = random::tensors(&config, 23);
    for kind in [GgmlDType::Q4_0, GgmlDType::Q8_0, GgmlDType::Q4K, GgmlDType::Q6K] {
        let k_quant = format!("{kind:?}").ends_with('K');
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, convert(&config, &tensors, Kind::Ggml(kind)).write().bytes).unwrap();
        let options = LoadOptions { kernels: Kernels::Integer, ..LoadOptions::default() };
        let integer = Loaded::open(&path, &options).unwrap().model;
        assert_eq!(integer.info.kernels, if k_quant { Kernels::Integer } else { Kernels::Float }, "{kind:?}");
        let d = between(&integer, &open(&path, Precision::F32));
        assert!((d > 0.0) == k_quant && d < 0.5, "{kind:?}: {d}");
    }
}
