#!/usr/bin/env python3
"""Saves fixtures with PyTorch's own torch.save, for the test `files_of_pytorch_itself_hold_what_it_saved` of crates/steercheck-model.

usage: make_torch_files.py FIXTURES OUT_DIR [NAME ...]

Needs torch, numpy and safetensors. For each fixture and number type, OUT_DIR/TORCHVERSION-NAME-TYPE gets `pt/pytorch_model.bin`, `st/model.safetensors`
with the same numbers, and the fixture's golden.safetensors. Each file also carries masks of other types, a parameter, a tensor that is a part of a
larger storage, and (where the fixture's names allow it) a head that shares the embedding's storage. Then run
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


def main():
    fixtures, out = map(pathlib.Path, sys.argv[1:3])
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
