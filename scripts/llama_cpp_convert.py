#!/usr/bin/env python3
"""Write GGUF files of Hugging Face folders with llama.cpp's own converter, without their tokenizers.

    python scripts/llama_cpp_convert.py --converter LLAMA_CPP FOLDER OUT.gguf     one model
    python scripts/llama_cpp_convert.py --converter LLAMA_CPP FOLDERS OUT_DIR     every model folder in FOLDERS

LLAMA_CPP is a folder with llama.cpp's `conversion/` package and `gguf-py/`. The source package of llama-cpp-python carries
it as `vendor/llama.cpp` (0.3.36 was used):

    pip download --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36
    tar xzf llama_cpp_python-0.3.36.tar.gz

It needs torch, transformers, safetensors, sentencepiece, numpy, requests, tqdm and pyyaml (used: torch 2.13.0,
transformers 5.23.0).

Which class converts a folder, which metadata it writes and what it does to the tensors is decided by llama.cpp's code alone.
Only the vocabulary is replaced, since the fixtures have no tokenizer: `vocab_size` placeholder tokens, as many as llama.cpp
asks for to load the file. The causal masks among old GPT-2 weights are left out.
A folder that the converter refuses is tried once more with the settings that the converter expects of a published checkpoint
and that transformers' configuration classes drop or rename (see `as_published`). What is refused then is reported with the
converter's own words. `OUT_DIR/conversion.json` says for each folder what became of it.
"""

import argparse
import json
import logging
import os
import string
import sys
import tempfile
import traceback
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


class Converter:
    """llama.cpp's conversion package, imported from a folder."""

    def __init__(self, root):
        if not (root / "conversion" / "base.py").is_file():
            sys.exit(f"{root} holds no conversion/base.py; give the folder vendor/llama.cpp of llama-cpp-python's source")
        sys.path[:0] = [str(root), str(root / "gguf-py")]
        import conversion
        import gguf
        import torch

        self.conversion, self.gguf, self.torch = conversion, gguf, torch
        kinds = gguf.LlamaFileType
        self.kinds = {
            "f32": kinds.ALL_F32,
            "f16": kinds.MOSTLY_F16,
            "bf16": kinds.MOSTLY_BF16,
            "q8_0": kinds.MOSTLY_Q8_0,
        }

    def write(self, folder, out, kind, amend):
        """Converts one folder; returns the architecture's name in GGUF. `amend` may change the settings first."""
        with self.torch.inference_mode():
            settings = self.conversion.ModelBase.load_hparams(folder, False)
            amend(settings, folder)
            name = self.conversion.get_model_architecture(settings, self.conversion.ModelType.TEXT)
            model = self.conversion.get_model_class(name)(folder, self.kinds[kind], out, hparams=settings)
            model.model_tensors = {n: t for n, t in model.model_tensors.items() if not n.endswith(MASK_BUFFERS)}
            model.set_vocab = lambda: self.placeholder_vocabulary(model)
            model.write()
        return self.gguf.MODEL_ARCH_NAMES[model.model_arch]

    def placeholder_vocabulary(self, model):
        """As many tokens as the embedding has rows, in the manner of SentencePiece: four special ones, then texts."""
        tokens = placeholder_tokens(model.hparams["vocab_size"])
        types = self.gguf.TokenType
        writer = model.gguf_writer
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        writer.add_token_scores([-float(i) for i in range(len(tokens))])
        special = [types.UNKNOWN] + 3 * [types.CONTROL]
        writer.add_token_types(special + [types.NORMAL] * (len(tokens) - len(special)))
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(False)


# Causal masks that old GPT-2 files carry: the converter means to leave them out, and fails on them (0.3.36).
MASK_BUFFERS = (".attn.bias", ".attn.masked_bias")


def unchanged(_settings, _folder):
    """The settings as the converter reads them."""


def as_published(settings, folder):
    """Puts back what published config.json files state and transformers' classes drop or rename."""
    for key, value in json.loads((folder / "config.json").read_text(encoding="utf-8")).items():
        settings.setdefault(key, value)
    kind = settings.get("model_type")
    if kind == "gpt2":
        settings.setdefault("n_ctx", settings["n_positions"])
    if kind == "gpt_neox":
        settings.setdefault("rotary_pct", settings.get("rope_parameters", {}).get("partial_rotary_factor", 0.25))
    # The name under which MPT was published, before transformers had it.
    if kind == "mpt":
        settings["architectures"] = ["MPTForCausalLM"]
    # Falcon 7B's first files had no such key (then 1 is meant); transformers fills in the number of query heads.
    if kind == "falcon" and settings["multi_query"] and not settings["new_decoder_architecture"]:
        settings["num_kv_heads"] = 1


def placeholder_tokens(count):
    """`count` different texts; the printable characters come first."""
    characters = "\u2581" + string.ascii_letters + string.digits + string.punctuation
    # llama.cpp looks for the fourth in a file whose name has "phi3".
    texts = ["<unk>", "<s>", "</s>", "<|endoftext|>", *characters]
    texts += [f"token{i}" for i in range(len(texts), count)]
    return texts[:count]


def stage(folder, config, into):
    """A folder of links to a model's files, with `config` as its config.json.

    Gemma 3's converter cuts the embedding down to the tokens that tokenizer.json lists, hence a list of all of them.
    """
    into.mkdir()
    for file in folder.iterdir():
        if file.name.startswith(("model", "pytorch_model")):
            (into / file.name).symlink_to(file.resolve())
    text = (folder / config).read_text(encoding="utf-8")
    (into / "config.json").write_text(text, encoding="utf-8")
    settings = json.loads(text)
    size = settings.get("text_config", settings)["vocab_size"]
    vocabulary = {token: i for i, token in enumerate(placeholder_tokens(size))}
    (into / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}))
    return into


def convert(converter, folder, out, options):
    """Converts a folder with the first reading of its settings that the converter takes."""
    record = {"folder": folder.name, "refused": {}}
    for amend in (unchanged, as_published):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                staged = stage(folder, options.config, Path(scratch) / folder.name)
                architecture = converter.write(staged, out, options.type, amend)
                return record | {"architecture": architecture, "settings": amend.__name__}
            except Exception as problem:  # The converter fails with exceptions of any kind.
                out.unlink(missing_ok=True)
                record["refused"][amend.__name__] = f"{type(problem).__name__}: {problem}"
                logging.debug("%s", traceback.format_exc())
    return record


def outcome(record):
    """One line about a folder."""
    refused = record["refused"]
    if "architecture" not in record:
        return f"refused: {refused['as_published']}"
    return record["architecture"] + (f" (settings as published; {refused['unchanged']})" if refused else "")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--converter", type=Path, required=True, help="folder with llama.cpp's conversion/ and gguf-py/")
    parser.add_argument("--type", choices=["f32", "f16", "bf16", "q8_0"], default="f32", help="of matrices [f32]")
    parser.add_argument("--config", default="config.json", help="the configuration's file [config.json]")
    parser.add_argument("--verbose", action="store_true", help="the converter's log, and where it failed")
    parser.add_argument("folder", type=Path, help="a model folder, or a folder of model folders")
    parser.add_argument("out", type=Path, help="a .gguf file, or a folder for them")
    return parser.parse_args()


def main():
    options = arguments()
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.ERROR, stream=sys.stderr)
    single = (options.folder / options.config).is_file()
    pattern = options.config if single else f"*/{options.config}"
    folders = sorted(p.parent for p in options.folder.glob(pattern))
    if not folders:
        sys.exit(f"{options.folder} has no {options.config}, nor has any folder in it")
    into_file = single and options.out.suffix == ".gguf"
    out_dir = options.out.parent if into_file else options.out
    out_dir.mkdir(parents=True, exist_ok=True)
    converter = Converter(options.converter.resolve())
    records = []
    for folder in folders:
        out = options.out if into_file else out_dir / f"{folder.name}.gguf"
        record = convert(converter, folder.resolve(), out.resolve(), options)
        records.append(record)
        print(f"{folder.name:<26}", outcome(record))
    if not into_file:
        (out_dir / "conversion.json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    if single and "architecture" not in records[0]:
        sys.exit(1)


if __name__ == "__main__":
    main()
