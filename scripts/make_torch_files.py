#!/usr/bin/env python3
"""Saves fixtures with PyTorch's own torch.save, for the test `files_of_pytorch_itself_hold_what_it_saved_or_are_refused` of crates/steercheck-model.

usage: make_torch_files.py FIXTURES OUT_DIR [NAME ...]

Needs torch, numpy and safetensors. For each fixture and number type, OUT_DIR/TORCHVERSION-NAME-TYPE gets `pt/pytorch_model.bin`, `st/model.safetensors`
with the same numbers, and the fixture's golden.safetensors. Each file also carries masks of other types, a parameter, a tensor that is a part of a
larger storage, and (where the fixture's names allow it) a head that shares the embedding's storage. Folders with a refused.txt hold what must be
refused with these words. Then run
    STEERCHECK_TORCH_FILES=OUT_DIR cargo test -p steercheck-model --test pytorch pytorch_itself -- --nocapture
"""
import collections, pathlib, shutil, sys

import torch
from safetensors.torch import load_file, save_file

NAMES = ["gptj", "falcon_7b_style", "mpt", "gpt2_hub_names", "gpt_neo_local"]
TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def state_dict(tensors):
    """As old checkpoints are: ordered, with module versions as an attribute, masks, a parameter, a slice, a tied head."""
    out = collections.OrderedDict(tensors)
    out._metadata = collections.OrderedDict({"": {"version": 1}})
    first, second = list(tensors)[:2]
    out[first] = torch.nn.Parameter(tensors[first])
    whole = torch.cat([torch.ones(3, dtype=tensors[second].dtype), tensors[second].flatten()])
    out[second] = whole[3:].view(tensors[second].shape)
    out["transformer.h.0.attn.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.uint8)
    out["transformer.h.0.attn.attention.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    out["transformer.h.0.positions"] = torch.arange(4)
    out["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e9)
    if "wte.weight" in out:
        out["lm_head.weight"] = out["wte.weight"]
    return out


def refused(fixture, out):
    """What is no dictionary of plain, contiguous tensors in a zip archive."""
    tensors = load_file(fixture / "model.safetensors")
    turned = {n: t.t().contiguous().t() if t.dim() == 2 else t for n, t in tensors.items()}
    doubles = {n: t.double() for n, t in tensors.items()}
    quantised = {n: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8) for n, t in tensors.items()}
    cases = [
        ("legacy", tensors, "format of PyTorch before 1.6", {"_use_new_zipfile_serialization": False}),
        ("protocol4", tensors, "protocol 4", {"pickle_protocol": 4}),
        ("training", {"state_dict": tensors, "epoch": 3}, "'state_dict' is no plain tensor", {}),
        ("module", torch.nn.Linear(2, 2), "calls for torch.nn.modules.linear.Linear", {}),
        ("transposed", turned, "is stored transposed", {}),
        ("doubles", doubles, "is stored in a DoubleStorage", {}),
        ("quantised", quantised, "calls for torch._utils._rebuild_qtensor", {}),
        ("sparse", {n: t.to_sparse() for n, t in tensors.items()}, "calls for torch._utils._rebuild_sparse_tensor", {}),
    ]
    for kind, value, words, how in cases:
        folder = out / f"{torch.__version__.split('+')[0]}-refused-{kind}"
        (folder / "pt").mkdir(parents=True, exist_ok=True)
        shutil.copy(fixture / "config.json", folder / "pt")
        (folder / "refused.txt").write_text(words)
        torch.save(value, folder / "pt" / "pytorch_model.bin", **how)


def main():
    fixtures, out = map(pathlib.Path, sys.argv[1:3])
    refused(fixtures / NAMES[0], out)
    for name in sys.argv[3:] or NAMES:
        stored = load_file(fixtures / name / "model.safetensors")
        for kind, dtype in TYPES.items():
            folder = out / f"{torch.__version__.split('+')[0]}-{name}-{kind}"
            tensors = {n: t.to(dtype).contiguous() for n, t in stored.items()}
            for part in ("pt", "st"):
                (folder / part).mkdir(parents=True, exist_ok=True)
                shutil.copy(fixtures / name / "config.json", folder / part)
            shutil.copy(fixtures / name / "golden.safetensors", folder)
            save_file(tensors, folder / "st" / "model.safetensors")
            torch.save(state_dict(tensors), folder / "pt" / "pytorch_model.bin")


if __name__ == "__main__":
    main()
