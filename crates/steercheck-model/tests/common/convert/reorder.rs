//! What the converter does to tensors besides naming them.

use candle_core::Tensor;

use super::Settings;

/// What becomes of a tensor, where the change applies to it.
pub(super) type Change = fn(Settings<'_>, &str, &Tensor) -> Option<Vec<(String, Tensor)>>;

fn same_name(name: &str, tensor: Tensor) -> Vec<(String, Tensor)> {
    vec![(name.to_string(), tensor)]
}

/// Rows reordered so that the two halves of a head alternate: rotary pairs become neighbours (`LlamaModel.permute`).
fn permute(tensor: &Tensor, heads: usize) -> Tensor {
    let shape = tensor.dims().to_vec();
    let inner: usize = shape[1..].iter().product();
    let by_half = tensor.reshape((heads, 2, shape[0] / heads / 2, inner)).unwrap();
    by_half.transpose(1, 2).unwrap().contiguous().unwrap().reshape(shape).unwrap()
}

/// Rotary pairs of q and k become neighbours.
pub(super) fn rotary_pairs(settings: Settings<'_>, name: &str, tensor: &Tensor) -> Option<Vec<(String, Tensor)>> {
    let heads = if name.contains(".q_proj.") {
        settings.heads()
    } else if name.contains(".k_proj.") {
        settings.kv_heads()
    } else {
        return None;
    };
    Some(same_name(name, permute(tensor, heads)))
}

/// Queries, keys and values `[heads · width, ..]` of a tensor that holds them by key/value head: its query heads, its key,
/// its value.
fn grouped(settings: Settings<'_>, tensor: &Tensor) -> [Tensor; 3] {
    let (heads, kv_heads) = (settings.heads(), settings.kv_heads());
    let (per, width) = (heads / kv_heads, settings.head_dim());
    let rest = &tensor.dims()[1..];
    let by_head = tensor.reshape((kv_heads, per + 2, width, rest.iter().product::<usize>())).unwrap();
    [(0, per), (per, 1), (per + 1, 1)].map(|(start, count)| {
        let shape: Vec<usize> = std::iter::once(kv_heads * count * width).chain(rest.iter().copied()).collect();
        by_head.narrow(1, start, count).unwrap().contiguous().unwrap().reshape(shape).unwrap()
    })
}

/// All queries, then all keys, then all values.
pub(super) fn sequential(settings: Settings<'_>, name: &str, tensor: &Tensor) -> Option<Vec<(String, Tensor)>> {
    name.contains("query_key_value").then(|| same_name(name, Tensor::cat(&grouped(settings, tensor), 0).unwrap()))
}

/// `InternLM` 2's fused tensor as three, rotary pairs of q and k as neighbours.
pub(super) fn split_grouped(settings: Settings<'_>, name: &str, tensor: &Tensor) -> Option<Vec<(String, Tensor)>> {
    name.contains(".wqkv.").then(|| {
        let [q, k, v] = grouped(settings, tensor);
        let named = |one: &str| name.replace(".wqkv.", &format!(".{one}."));
        let (q, k) = (permute(&q, settings.heads()), permute(&k, settings.kv_heads()));
        vec![(named("wq"), q), (named("wk"), k), (named("wv"), v)]
    })
}

/// `Conv1D` weights `[in, out]` as `[out, in]`.
pub(super) fn conv1d(_: Settings<'_>, name: &str, tensor: &Tensor) -> Option<Vec<(String, Tensor)>> {
    [".c_attn.weight", ".c_proj.weight", ".c_fc.weight"]
        .iter()
        .any(|end| name.ends_with(end))
        .then(|| same_name(name, tensor.t().unwrap().contiguous().unwrap()))
}

/// Norm weights that are stored less 1, as they act.
pub(super) fn norm_plus_1(_: Settings<'_>, name: &str, tensor: &Tensor) -> Option<Vec<(String, Tensor)>> {
    name.ends_with("norm.weight").then(|| same_name(name, (tensor + 1.0).unwrap()))
}
