#!/usr/bin/env python3
"""Control vectors in a real llama.cpp against steercheck's own edit at all positions: the same most probable next tokens, the same log-probabilities.

usage: llama_cpp_vector.py --llama-cpp SOURCE --server LLAMA_SERVER --steercheck STEERCHECK MODEL.gguf WORK

MODEL is widened to f32 and rounded to f16 (a GGUF file of each in WORK), so that both programs multiply the same weights. The vectors: one that
`vector make` chose and `vector export` wrote, and random ones of gguf-py's writing at the first layer that llama.cpp steers, a middle one, the last,
and at all three. Each is given to `llama-server --control-vector` and to `steercheck generate --where all`. For every prompt the five most probable
tokens must be the same ones in the same order (tokens closer than the tolerance may change places) and their log-probabilities within 0.05. Needs numpy.
"""
import argparse, contextlib, json, socket, subprocess, sys, time, urllib.request
from pathlib import Path

import numpy as np

TOLERANCE = 0.05
PROMPTS = ["Q: walk\nA:", "Q: sing\nA:", "The capital of France is", "Once upon a time there was a small"]


def convert(gguf, source, target, form):
    """Writes `source` with all tensors in one form, its metadata unchanged."""
    reader = gguf.GGUFReader(source)
    kind, kept = {
        "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
        "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    }[form]
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        element = field.types[1] if len(field.types) > 1 else None
        writer.add_key_value(name, field.contents(), field.types[0], element)
    writer.add_file_type(kept)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        # One-dimensional tensors stay f32 in llama.cpp's own files.
        if values.ndim > 1:
            values = gguf.quants.quantize(values, kind)
        writer.add_tensor(tensor.name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_vector(gguf, path, layers, width, norm):
    """A control vector as repeng writes them: `direction.N` is added to the output of layer N, counted from 0; there is none for layer 0."""
    draw = np.random.default_rng(layers[0])
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(layers))
    for layer in layers:
        direction = draw.standard_normal(width)
        writer.add_tensor(f"direction.{layer}", (direction * norm / np.linalg.norm(direction)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@contextlib.contextmanager
def server(binary, model, vector, log):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [binary, "--model", model, "--port", str(port), "--threads", "2", "--ctx-size", "256", "--parallel", "1", "--no-warmup"]
    # Keys and values as exact as the rest.
    arguments += ["--cache-type-k", "f32", "--cache-type-v", "f32", "--flash-attn", "off"]
    if vector:
        arguments += ["--control-vector", vector]
    with open(log, "w") as out:
        process = subprocess.Popen([str(each) for each in arguments], stdout=out, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            if process.poll() is not None:
                sys.exit(f"llama-server ended with {process.returncode}:\n{Path(log).read_text()[-2000:]}")
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{url}/health") as answer:
                    if answer.status == 200:
                        break
            time.sleep(0.2)
        else:
            sys.exit("llama-server does not answer")
        yield url
    finally:
        process.kill()
        process.wait()


def llama_cpp(url, prompt):
    body = {"prompt": prompt, "n_predict": 1, "n_probs": 10, "temperature": 0.0, "cache_prompt": False, "post_sampling_probs": False}
    request = urllib.request.Request(f"{url}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        first = json.load(answer)["completion_probabilities"][0]["top_logprobs"]
    return [(each["id"], each["logprob"]) for each in first]


def steercheck(binary, model, prompt, vector):
    command = [binary, "generate", model, prompt, "--tokens", "1", "--json"]
    if vector:
        command += ["--vector", vector, "--where", "all"]
    text = subprocess.run([str(each) for each in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    first = json.loads(text)["steered" if vector else "unsteered"]["first"]
    return [(each["token"], each["log_prob"]) for each in first]


def compare(ours, theirs):
    """Largest difference of a log-probability among the five most probable tokens of either, and whether these five are the same in order."""
    ours_all, theirs_all = dict(ours), dict(theirs)
    same, largest = True, 0.0
    for (mine, p), (other, q) in zip(ours[:5], theirs[:5]):
        for token, given in ((mine, p), (other, q)):
            if token not in ours_all or token not in theirs_all:
                return False, float("inf")
            largest = max(largest, abs(ours_all[token] - theirs_all[token]))
        same &= mine == other or abs(ours_all[mine] - ours_all[other]) < TOLERANCE
    return same, largest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--llama-cpp", type=Path, required=True, help="llama.cpp's source, for its gguf-py")
    parser.add_argument("--server", type=Path, required=True)
    parser.add_argument("--steercheck", type=Path, required=True)
    parser.add_argument("model", type=Path)
    parser.add_argument("work", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(given.llama_cpp / "gguf-py"))
    import gguf

    given.work.mkdir(parents=True, exist_ok=True)
    models = {form: given.work / f"{form}.gguf" for form in ("f32", "f16")}
    for form, path in models.items():
        convert(gguf, given.model, path, form)
    reader = gguf.GGUFReader(models["f32"])
    architecture = reader.fields["general.architecture"].contents()
    layers, width = (reader.fields[f"{architecture}.{key}"].contents() for key in ("block_count", "embedding_length"))

    made, exported = given.work / "made.safetensors", given.work / "made.gguf"
    make = [given.steercheck, "vector", "make", models["f32"], "--task", "present-past", "--to", made, "--out", given.work / "out"]
    subprocess.run([str(each) for each in make], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([str(given.steercheck), "vector", "export", str(made), "--to", str(exported)], check=True, stdout=subprocess.DEVNULL)
    vectors = {"none": None, "made and exported": exported}
    for name, at in (("layer 1", [1]), ("middle layer", [layers // 2]), ("last layer", [layers - 1]), ("all three", [1, layers // 2, layers - 1])):
        vectors[name] = given.work / f"random-{'-'.join(map(str, at))}.gguf"
        random_vector(gguf, vectors[name], at, width, 20.0 if at == [1] else 100.0)

    failed = False
    print("| weights | vector | changed by the vector, at least | largest difference of the two | same five tokens |")
    print("| --- | --- | --- | --- | --- |")
    for form, model in models.items():
        plain = [steercheck(given.steercheck, model, prompt, None) for prompt in PROMPTS]
        for name, vector in vectors.items():
            same, largest, moved = 0, 0.0, 0.0
            with server(given.server, model, vector, given.work / "server.log") as url:
                for prompt, before in zip(PROMPTS, plain):
                    ours = steercheck(given.steercheck, model, prompt, vector)
                    equal, difference = compare(ours, llama_cpp(url, prompt))
                    same, largest = same + equal, max(largest, difference)
                    after = dict(ours)
                    # A token that is not among the ten any more is at most as probable as the last of them.
                    least = min(after.values())
                    moved = max([moved] + [abs(after.get(token, min(least, p)) - p) for token, p in before[:5]])
            # A vector that nobody applies would agree as well.
            failed |= same < len(PROMPTS) or largest >= TOLERANCE or (vector is not None and moved < 10 * TOLERANCE)
            print(f"| {form} | {name} | {moved:.3f} | {largest:.4f} | {same} of {len(PROMPTS)} prompts |", flush=True)
    if failed:
        sys.exit("control vectors in llama.cpp and in steercheck differ, or a vector did nothing")


main()
