#!/usr/bin/env python3
"""Makes models whose settings the parity fixtures don't have, with the fixtures' own generator and transformers as the oracle.

usage: make_variants.py OUT_DIR [--only GLOB] [--check] [--generator PATH]

The generator is make_fixtures.py of the fixtures folder ($STEERCHECK_SHARED/fixtures by default); its head lists the packages it needs.
The settings are those of variant_specs.py beside this file. Each folder gets what a fixture's folder has, so every test of a fixture runs on it.
--check makes nothing: it loads each folder through transformers with both configurations and compares with the golden tensors.

Keys of a spec that only this file knows:
  minimal=True      config.json holds just the keys the spec names, so that every default counts
  head_copy=True    a tied model whose file carries the head too
  claim_tied=True   made untied, but both configurations say tied: transformers 5 then uses both tensors
  naming="bare"     tensor names without the base model's prefix
"""
import argparse, fnmatch, importlib.util, json, os, runpy, sys, traceback

OWN_KEYS = ("minimal", "head_copy", "claim_tied")


def load_generator(path):
    spec = importlib.util.spec_from_file_location("make_fixtures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def adapt(gen):
    """Teaches the generator the settings it has no fixture for."""
    import torch

    class EagerExperts:
        """The plain loop over experts: the grouped product wants widths that are multiples of 16 bytes."""

        def __getattr__(self, name):
            make = getattr(gen.transformers.AutoModelForCausalLM, name)
            return lambda *a, **k: make(*a, **k, experts_implementation="eager")

    gen.AutoModelForCausalLM = EagerExperts()

    plain_gap = gen.router_gap

    def router_gap(model, ids):
        c = model.config
        total = getattr(c, "num_experts", None) or getattr(c, "num_local_experts", None)
        if total is not None and c.num_experts_per_tok >= total:
            return gen.math.inf  # every expert is taken, so there is no choice to be unsure about
        return plain_gap(model, ids)

    gen.router_gap = router_gap

    plain_legacy = gen.legacy_config

    def legacy_config(cfg, authored, arch):
        if authored["model_type"] == "smollm3" and "no_rope_layers" not in authored:
            out = plain_legacy(cfg, {**authored, "no_rope_layers": None}, arch)
            del out["no_rope_layers"]
            return out
        return plain_legacy(cfg, authored, arch)

    gen.legacy_config = legacy_config

    def heads(cfg):
        h = cfg["num_attention_heads"]
        kv = cfg.get("num_key_value_heads") or h
        return h, kv, cfg["hidden_size"] // h

    plain_repack, plain_unpack = gen.repack_internlm2, gen.unpack_internlm2

    def repack(cfg, sd):
        """InternLM2's fused projection, with its bias where the model has one."""
        h, kv, dh = heads(cfg)
        out = plain_repack({**cfg, "num_key_value_heads": kv}, sd)
        for i in range(cfg["num_hidden_layers"]):
            if f"model.layers.{i}.self_attn.q_proj.bias" in sd:
                q, k, v = (sd[f"model.layers.{i}.self_attn.{x}_proj.bias"] for x in "qkv")
                rows = torch.cat([q.view(kv, h // kv, dh), k.view(kv, 1, dh), v.view(kv, 1, dh)], 1)
                out[f"model.layers.{i}.attention.wqkv.bias"] = rows.reshape(-1).contiguous()
        return out

    def unpack(cfg, sd):
        h, kv, dh = heads(cfg)
        out = plain_unpack({**cfg, "num_key_value_heads": kv}, {k: v for k, v in sd.items() if not k.endswith("wqkv.bias")})
        for k, v in sd.items():
            if k.endswith("wqkv.bias"):
                w, i = v.view(kv, h // kv + 2, dh), k.split(".")[2]
                for x, t in (("q", w[:, :-2]), ("k", w[:, -2]), ("v", w[:, -1])):
                    out[f"model.layers.{i}.self_attn.{x}_proj.bias"] = t.reshape(-1).contiguous()
        return out

    gen.repack_internlm2, gen.unpack_internlm2 = repack, unpack

    plain_load = gen.load

    def load(folder, config_name, impl="eager"):
        path = f"{folder}/{config_name}"
        cfg = json.load(open(path))
        if cfg["model_type"] != "internlm2":
            return plain_load(folder, config_name, impl)
        real = gen.json.load

        class BiasedJson:
            """The generator's loader states attention_bias=False for the llama that stands in for InternLM2."""

            dump = staticmethod(lambda c, f: json.dump({**c, "attention_bias": cfg.get("bias", True)}, f))
            load = staticmethod(real)

        gen.json = BiasedJson
        try:
            return plain_load(folder, config_name, impl)
        finally:
            gen.json = json

    gen.load = load
    return gen


def rewrite(folder, name, change):
    path = f"{folder}/{name}"
    if os.path.exists(path):
        cfg = change(json.load(open(path)))
        json.dump(cfg, open(path, "w"), indent=1)


def make(gen, spec, out_dir):
    own = {k: spec.pop(k) for k in OWN_KEYS if k in spec}
    naming = spec.get("naming")
    if naming == "bare":
        spec.pop("naming")
    done = gen.build(spec, out_dir, "a")
    model, folder = done[1], f"{out_dir}/{spec['name']}"
    sd = gen.load_file(f"{folder}/model.safetensors")
    before = set(sd)
    if own.get("head_copy"):
        sd["lm_head.weight"] = model.get_input_embeddings().weight.detach().clone()
    if naming == "bare":
        sd = {k.removeprefix(model.base_model_prefix + "."): v for k, v in sd.items()}
    if set(sd) != before:
        gen.save_file(sd, f"{folder}/model.safetensors", metadata={"format": "pt"})
    if spec.get("repack") == "internlm2":
        rewrite(folder, "config.json", lambda c: {**c, "bias": bool(spec.get("attention_bias"))})
    if own.get("claim_tied"):
        for name in ("config.json", "config_v5.json"):
            rewrite(folder, name, lambda c: {**c, "tie_word_embeddings": True})
    if own.get("minimal"):
        named = set(spec) | {"architectures", "torch_dtype"}
        rewrite(folder, "config.json", lambda c: {k: v for k, v in c.items() if k in named})
    return done


def main():
    shared = os.environ.get("STEERCHECK_SHARED", os.path.join(os.path.dirname(__file__), "..", "..", "shared"))
    ap = argparse.ArgumentParser()
    ap.add_argument("out")
    ap.add_argument("--only", default="*")
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--generator", default=os.path.join(shared, "fixtures", "make_fixtures.py"))
    a = ap.parse_args()
    gen = adapt(load_generator(a.generator))
    failed = 0
    if a.check:
        for name in sorted(os.listdir(a.out)):
            if os.path.exists(f"{a.out}/{name}/golden.safetensors") and fnmatch.fnmatch(name, a.only):
                worst = gen.check(f"{a.out}/{name}")
                good = all(v == 0 for k, v in worst.items() if k != "other path")
                failed += not good
                print("ok " if good else "BAD", name, worst, flush=True)
        sys.exit(1 if failed else 0)
    specs = runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "variant_specs.py"))["SPECS"]
    for spec in specs:
        if not fnmatch.fnmatch(spec["name"], a.only):
            continue
        try:
            name, _, margin, gap, note = make(gen, dict(spec), a.out)
            print(f"{name}: margin {margin:.3g}, router gap {gap:.3g} {note}", flush=True)
        except Exception as e:
            failed += 1
            traceback.print_exc()
            print(f"FAILED {spec['name']}: {e}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
