//! Rotary scaling: keys for what is a number, tensors for what is one per frequency.

use std::f64::consts::PI;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::Settings;
use super::keys::Keys;

fn kind(settings: Settings<'_>) -> Option<&str> {
    let scaling = &settings.0["rope_scaling"];
    scaling["rope_type"].as_str().or(scaling["type"].as_str())
}

/// Keys of the scaling. Dynamic scaling has none: the converter leaves it out.
pub(super) fn scaling(keys: &mut Keys<'_>) {
    let settings = keys.settings;
    let scaling = Settings(&settings.0["rope_scaling"]);
    let factor = scaling.float(&["factor"]);
    let (to_type, to_factor) = ("rope.scaling.type", "rope.scaling.factor");
    match kind(settings) {
        None | Some("llama3" | "dynamic") => {}
        Some(named @ ("linear" | "yarn")) => {
            keys.text(to_type, named);
            keys.float(to_factor, factor.unwrap());
        }
        Some("longrope") => keys.text(to_type, "longrope"),
        Some(other) => panic!("{other} is not converted"),
    }
    if kind(settings) == Some("yarn") {
        keys.int("rope.scaling.original_context_length", scaling.size(&["original_max_position_embeddings"]));
        for (from, to) in [
            ("attention_factor", "rope.scaling.yarn_attn_factor"),
            ("beta_fast", "rope.scaling.yarn_beta_fast"),
            ("beta_slow", "rope.scaling.yarn_beta_slow"),
        ] {
            if let Some(value) = scaling.float(&[from]) {
                keys.float(to, value);
            }
        }
    }
}

/// Phi 3's: how far the positions are stretched, as the factor that cosines and sines are multiplied by.
pub(super) fn long_factor(trained: usize, most: usize) -> f64 {
    let stretch = most as f64 / trained as f64;
    if stretch > 1.0 { (1.0 + stretch.ln() / (trained as f64).ln()).sqrt() } else { 1.0 }
}

/// Divisors of the frequencies for llama 3's scaling.
fn llama3(scaling: &Value, theta: f64, dims: usize) -> Tensor {
    let of = |key: &str| scaling[key].as_f64().unwrap();
    let (factor, low, high) = (of("factor"), of("low_freq_factor"), of("high_freq_factor"));
    let trained = of("original_max_position_embeddings");
    let factors: Vec<f32> = (0..dims / 2)
        .map(|i| {
            let wavelength = 2.0 * PI * theta.powf(2.0 * i as f64 / dims as f64);
            let smooth = (trained / wavelength - low) / (high - low);
            let divisor = if wavelength < trained / high {
                1.0
            } else if wavelength > trained / low {
                factor
            } else {
                1.0 / ((1.0 - smooth) / factor + smooth)
            };
            divisor as f32
        })
        .collect();
    Tensor::new(factors, &Device::Cpu).unwrap()
}

/// Tensors that hold divisors of the frequencies.
pub(super) fn divisors(settings: Settings<'_>) -> Vec<(&'static str, Tensor)> {
    let scaling = &settings.0["rope_scaling"];
    let list = |key: &str| {
        let numbers = scaling[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32);
        Tensor::new(numbers.collect::<Vec<f32>>(), &Device::Cpu).unwrap()
    };
    match kind(settings) {
        Some("llama3") => {
            let theta = settings.float(&["rope_theta"]).unwrap_or(10_000.0);
            vec![("rope_freqs.weight", llama3(scaling, theta, settings.head_dim()))]
        }
        Some("longrope") => {
            vec![("rope_factors_long.weight", list("long_factor")), ("rope_factors_short.weight", list("short_factor"))]
        }
        _ => Vec::new(),
    }
}
