# SPDX-License-Identifier: Apache-2.0
"""Trains the byte-level BPE of the starter model and writes Hugging Face's tokenizer.json and tokenizer_config.json.

    train_tokenizer.py --corpus corpus.jsonl --out model [--vocab 2048] [--report]

Pre-tokens are those of GPT-2's pattern. Python's re has no \\p{L}, so letters are [^\\W\\d_] and numbers \\d: equal on
the corpus (ASCII and emoji; anything else is refused). Most frequent pair first; ties go to the smaller pair of byte
strings, so the result depends on the corpus alone. Ids: 0 <|endoftext|> (padding), 1 <|im_start|>, 2 <|im_end|> (end of
turn), then the 256 bytes in the order of their printable stand-ins, then the merges.
"""
import argparse
import collections
import heapq
import json
import pathlib
import re
import sys

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
PATTERN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
ALLOWED = re.compile(r"[\n\x20-\x7e\U0001F300-\U0001FAFF]*")


def byte_characters():
    """GPT-2's printable stand-in for every byte."""
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in plain}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


BYTES = byte_characters()


def stand_in(text):
    return "".join(BYTES[b] for b in text.encode("utf-8"))


def count_words(path):
    words = collections.Counter()
    with open(path, encoding="utf-8") as rows:
        for number, line in enumerate(rows, 1):
            row = json.loads(line)
            for role in ("user\n" + row["prompt"], "assistant\n" + row["completion"], "\n"):
                if not ALLOWED.fullmatch(role):
                    raise SystemExit(f"{path}:{number}: a character outside ASCII and emoji")
                words.update(PATTERN.findall(role))
    return words


def train(words, merges_wanted):
    """Merges (pairs of stand-in strings) in order, from pre-token counts."""
    pieces = [list(stand_in(w)) for w in sorted(words)]
    counts = [words[w] for w in sorted(words)]
    pair_counts, where = collections.Counter(), collections.defaultdict(set)
    for i, piece in enumerate(pieces):
        for pair in zip(piece, piece[1:]):
            pair_counts[pair] += counts[i]
            where[pair].add(i)
    heap = [(-c, p) for p, c in pair_counts.items()]
    heapq.heapify(heap)
    merges = []
    while heap and len(merges) < merges_wanted:
        count, pair = heapq.heappop(heap)
        if pair_counts[pair] != -count:
            continue  # an outdated entry; the current one was pushed when the count changed
        if count >= 0:
            break
        merges.append(pair)
        changed = set()
        for i in sorted(where.pop(pair)):
            piece, out, k = pieces[i], [], 0
            for p in zip(piece, piece[1:]):
                pair_counts[p] -= counts[i]
                changed.add(p)
            while k < len(piece):
                if k + 1 < len(piece) and (piece[k], piece[k + 1]) == pair:
                    out.append(piece[k] + piece[k + 1])
                    k += 2
                else:
                    out.append(piece[k])
                    k += 1
            pieces[i] = out
            for p in zip(out, out[1:]):
                pair_counts[p] += counts[i]
                where[p].add(i)
                changed.add(p)
        for p in changed:
            if pair_counts[p] > 0:
                heapq.heappush(heap, (-pair_counts[p], p))
    return merges


def build(merges):
    vocab = {}
    for token in SPECIALS + sorted(BYTES.values()) + [a + b for a, b in merges]:
        vocab.setdefault(token, len(vocab))
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for i, t in enumerate(SPECIALS)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                           "ignore_merges": False, "vocab": vocab, "merges": [a + " " + b for a, b in merges]}}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": SPECIALS[2],
              "pad_token": SPECIALS[0], "unk_token": None, "clean_up_tokenization_spaces": False,
              "model_max_length": 512, "chat_template": TEMPLATE,
              "added_tokens_decoder": {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in added}}
    return tokenizer, config


class Encoder:
    """Reference encoder (for the report and for tests of other readers)."""

    def __init__(self, tokenizer):
        self.vocab = tokenizer["model"]["vocab"]
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(tokenizer["model"]["merges"])}
        self.cache = {}

    def word(self, word):
        if word not in self.cache:
            piece = list(stand_in(word))
            while len(piece) > 1:
                best = min(zip(piece, piece[1:]), key=lambda p: self.rank.get(p, 1 << 30))
                if best not in self.rank:
                    break
                out, k = [], 0
                while k < len(piece):
                    if tuple(piece[k:k + 2]) == best:
                        out.append(piece[k] + piece[k + 1])
                        k += 2
                    else:
                        out.append(piece[k])
                        k += 1
                piece = out
            self.cache[word] = [self.vocab[p] for p in piece]
        return self.cache[word]

    def encode(self, text):
        ids = []
        for part in re.split("(" + "|".join(re.escape(s) for s in SPECIALS) + ")", text):
            if part in SPECIALS:
                ids.append(self.vocab[part])
            else:
                for word in PATTERN.findall(part):
                    ids += self.word(word)
        return ids


def chat(prompt, completion):
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{completion}<|im_end|>\n"


def report(path, tokenizer):
    encoder, completion, row_tokens = Encoder(tokenizer), [], []
    with open(path, encoding="utf-8") as rows:
        for line in rows:
            row = json.loads(line)
            completion.append(len(encoder.encode(row["completion"])))
            row_tokens.append(len(encoder.encode(chat(row["prompt"], row["completion"]))))
    completion.sort()
    n = len(completion)
    return {"rows": n, "mean_row": sum(row_tokens) / n, "longest_row": max(row_tokens), "mean_completion": sum(completion) / n,
            "completion_p1_p50_p99_max": [completion[n // 100], completion[n // 2], completion[n * 99 // 100], completion[-1]]}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--corpus", required=True)
    options.add_argument("--out", required=True, help="folder for tokenizer.json and tokenizer_config.json")
    options.add_argument("--vocab", type=int, default=2048)
    options.add_argument("--report", action="store_true", help="print token counts of the corpus")
    args = options.parse_args()
    merges = train(count_words(args.corpus), args.vocab - len(SPECIALS) - 256)
    tokenizer, config = build(merges)
    if len(tokenizer["model"]["vocab"]) != args.vocab:
        raise SystemExit(f"the corpus gives only {len(tokenizer['model']['vocab'])} tokens of {args.vocab}")
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        (out / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if args.report:
        print(json.dumps(report(args.corpus, tokenizer)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
