"""Writes vocabulary-only GGUF files for llama.cpp to tokenize with (needs the PyPI package gguf).

    python make_vocab_gguf.py json <tokenizer.json> <pre> <out.gguf>   a byte-level BPE vocabulary with `pre` as its pre-tokenizer
    python make_vocab_gguf.py probe <folder> <pre> [<pre> ...]          the probe vocabulary, one file for each `pre`
    python make_vocab_gguf.py spm <out.gguf> <vocab.json>               a small SentencePiece-like vocabulary, also as JSON

The probe vocabulary: ids 0..255 are the 256 byte characters of byte-level BPE in byte order, id 256 + 256 a + b is the
pair of bytes a, b, and merge number n (from 0) makes the pair a, b with 256 a + b = 40503 n mod 65536. The mixed order
makes it show where a pre-tokenizer splits; it is our own.

The small SentencePiece-like vocabulary is trained here on the sentences below, so it is ours too: byte tokens, merged tokens
with falling scores, control tokens, one of which (`<s>`) plain merging reaches, and user-defined tokens.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from gguf import GGUFWriter


CORPUS = """the cat sat on the mat and the other cat sat on the hat, then they ate all that they had
we measure what a steering vector does to a model, and we say how sure we are of what we measured
hot and cold, big and small, happy and sad, up and down, in and out, France and Paris, Italy and Rome
she sells sea shells; he said: "this is the end", and that was that... aaa aaaa aaaaa === ==== ====== --- ----
if x == 1: return y else: return z; for i in range(10): print(i, i * i) # 100 1000 10000 2024 1999
une fen\u00eatre ouverte, un caf\u00e9 au lait, d\u00e9j\u00e0 vu; \u4f60\u597d \u4e16\u754c <s> </s> <b> </b>"""


def write(path, tokens, types, merges, pre, scores=None):
    writer = GGUFWriter(path, "llama")
    # llama.cpp wants the architecture's key figures even to load a vocabulary alone.
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2" if merges else "llama")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if merges:
        writer.add_token_merges(merges)
    else:
        writer.add_token_scores(scores)
        writer.add_add_space_prefix(True)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def byte_characters():
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in plain}
    table.update({b: chr(256 + n) for n, b in enumerate(b for b in range(256) if b not in table)})
    return [table[b] for b in range(256)]


def from_json(source, pre, out):
    data = json.loads(Path(source).read_text(encoding="utf-8"))
    tokens = {i: (t, 1) for t, i in data["model"]["vocab"].items()}
    # Added tokens: special ones are control tokens (3), the others user-defined (4), as llama.cpp's converter has them.
    tokens.update({t["id"]: (t["content"], 3 if t["special"] else 4) for t in data["added_tokens"]})
    ordered = [tokens.get(i, (f"[PAD{i}]", 5)) for i in range(max(tokens) + 1)]
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]]
    write(out, [t for t, _ in ordered], [k for _, k in ordered], merges, pre)


def probe(folder, names):
    chars = byte_characters()
    tokens = chars + [a + b for a in chars for b in chars]
    pairs = (40503 * n % 65536 for n in range(65536))
    merges = [f"{chars[p // 256]} {chars[p % 256]}" for p in pairs]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for pre in names:
        write(Path(folder) / f"probe-{pre}.gguf", tokens, [1] * len(tokens), merges, pre)


def train():
    """Character-level merging of the most frequent pair, the alphabetically first on ties, while one occurs twice."""
    words = [list("\u2581" + "\u2581".join(line.split(" "))) for line in CORPUS.splitlines()]
    letters = sorted({c for word in words for c in word})
    made = []
    while True:
        counts = Counter(pair for word in words for pair in zip(word, word[1:]))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        if counts[best] < 2:
            break
        token = "".join(best)
        if token not in made:
            made.append(token)
        for word in words:
            i = 0
            while i + 1 < len(word):
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [token]
                i += 1
    return [(t, -float(n)) for n, t in enumerate(made)] + [(c, -float(len(made) + n)) for n, c in enumerate(letters)]


def spm(out, listing):
    head = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    head += [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
    head += [("[multimodal]", -1000.0, 4), ("<tool_call>", -1000.0, 4), ("\n\n", -1000.0, 4), ("<unused0>", -1000.0, 3)]
    known = {t for t, _, _ in head}
    # With `s>` a token, merging `<` and `s>` makes the control token `<s>`, as in Llama 2.
    rows = head + [("s>", -2.5, 1)] + [(t, s, 1) for t, s in train() if t not in known]
    tokens, scores, types = (list(column) for column in zip(*rows))
    write(out, tokens, types, None, "default", scores)
    Path(listing).write_text(json.dumps({"tokens": tokens, "scores": scores, "token_types": types}), encoding="utf-8")


if sys.argv[1:2] == ["spm"] and len(sys.argv) == 4:
    spm(*sys.argv[2:])
elif sys.argv[1:2] == ["json"] and len(sys.argv) == 5:
    from_json(*sys.argv[2:])
elif sys.argv[1:2] == ["probe"] and len(sys.argv) > 3:
    probe(sys.argv[2], sys.argv[3:])
else:
    sys.exit(__doc__)
