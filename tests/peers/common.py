# SPDX-License-Identifier: Apache-2.0
"""What both sides of a comparison with TRL are given: the same tokenizer, rows, order and weights. Needs only Python."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("PAIRLAB_BUILD_DIR", ROOT / "build"))
# The versions of tests/golden/README.md.
PINNED = ["torch==2.13.0", "transformers==5.23.0", "trl==1.16.0", "accelerate==1.15.0", "datasets==5.2.0", "tokenizers==0.23.3",
          "safetensors==0.8.0", "numpy==2.4.6"]
START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
            "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
MASK = 0xFFFFFFFFFFFFFFFF


# ---------------------------------------------------------------- order

def mix64(value):
    """core/base/hash.cpp."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def batches(examples, batch, steps, seed):
    """Indices of each step's examples as learn::BatchPlan deals them (core/learn/training/batches.cpp)."""
    epochs = {}

    def permutation(epoch):
        if epoch not in epochs:
            order = list(range(examples))
            stream = mix64(seed ^ mix64((epoch + 0x9E3779B97F4A7C15) & MASK))
            for i in range(examples, 1, -1):
                j = mix64((stream + i) & MASK) % i
                order[i - 1], order[j] = order[j], order[i - 1]
            epochs[epoch] = order
        return epochs[epoch]

    return [[permutation(p // examples)[p % examples] for p in range(step * batch, (step + 1) * batch)] for step in range(steps)]


# ---------------------------------------------------------------- tokenizers

def byte_letter(byte):
    """GPT-2's printable stand-in for a byte."""
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    return chr(byte) if byte in plain else chr(256 + [b for b in range(256) if b not in plain].index(byte))


def write_tokenizer(folder, vocab, specials, whole_words):
    """A byte-level tokenizer without merges: bytes and, with `whole_words`, words that are tokens of their own."""
    vocab = {**specials, **vocab}  # `tokenizers` numbers added tokens itself unless the vocabulary has them
    added = [{"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for text, i in specials.items()]
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": whole_words, "vocab": vocab, "merges": []}},
        ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": PAD, "chat_template": TEMPLATE}, indent=1) + "\n")


def letters_tokenizer(folder):
    """97 ids for the golden models: 0 pad, 1 start, 2 end of a turn, printable ASCII without space and '~', line end."""
    vocab = {chr(33 + i): 3 + i for i in range(93)}
    vocab[byte_letter(10)] = 96
    write_tokenizer(folder, vocab, {PAD: 0, START: 1, END: 2}, False)


def word(i):
    return " " + "".join(chr(97 + (i // 26 ** k) % 26) for k in (3, 2, 1, 0))


def words_tokenizer(folder, size):
    """`size` ids: the special ones, all bytes, three words of the template, and words " aaaa", " aaab", ...; returns how many."""
    specials = {PAD: 0, START: 1, END: 2}
    names = [byte_letter(b) for b in range(256)] + ["user", "assistant"]
    count = size - len(specials) - len(names)
    names += ["\u0120" + word(i)[1:] for i in range(count)]
    write_tokenizer(folder, {name: 3 + i for i, name in enumerate(names)}, specials, True)
    return count


def rendered(prompt):
    """What a prompt becomes in front of an answer, as ChatTemplate and TEMPLATE write it."""
    return f"{START}user\n{prompt}{END}\n{START}assistant\n"


# ---------------------------------------------------------------- running

def tell(text):
    print(f"peers: {text}", file=sys.stderr)


def run(*command, code=70, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        tell(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
        raise SystemExit(code)
    return done.stdout


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def python_of(folder):
    """The interpreter of the virtual environment with TRL; the environment is made when it is not there."""
    python = pathlib.Path(folder) / "bin/python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder, code=11)
        run(python, "-m", "pip", "install", "--quiet", *PINNED, code=11)
    return python


def timed(command, cores, watch=None):
    """Runs a program pinned to `cores`; returns (begin in seconds since the epoch, peak RSS in bytes, stdout, [(size of the file
    `watch`, processor seconds used so far)] whenever the file had grown)."""
    begin, seen = time.time(), []
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT,
                                 preexec_fn=lambda: os.sched_setaffinity(0, cores))
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG if watch else 0)
            if pid:
                break
            if watch.exists() and (size := watch.stat().st_size) != (seen[-1][0] if seen else 0):
                with open(f"/proc/{child.pid}/schedstat", encoding="ascii") as file:
                    seen.append((size, int(file.read().split()[0]) * 1e-9))
            time.sleep(0.002)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if child.returncode != 0:
        tell(f"{' '.join(map(str, command))} ended with {child.returncode}:\n{text[-3000:]}")
        raise SystemExit(70)
    return begin, usage.ru_maxrss * 1024, text, seen


def make_bundle(folder, plugin, models, parameters, files, seed, threads):
    """A run bundle made by hand, as any program may: run.json and the data. `files`: name -> list of rows."""
    where = BUILD / "lib/pairlab/plugins" / plugin
    manifest = json.loads((where / "manifest.json").read_text())
    for name in ("data", "checkpoints", "samples"):
        (folder / name).mkdir(parents=True)
    hashes = {}
    for name, rows in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "data" / name).write_text(text, encoding="utf-8")
        hashes[name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "run.json").write_text(json.dumps({
        "bundle_version": 1, "uuid": hashlib.sha256(str(folder).encode()).hexdigest()[:32], "name": folder.name,
        "plugin": {"id": plugin, "version": manifest["version"], "dir": str(where), "build_tag": manifest["build_tag"]},
        "parameters": parameters,
        "models": [{"role": role, "path": str(path), "hash": "", "name": pathlib.Path(path).name} for role, path in models.items()],
        "device": "cpu", "seed": seed, "threads": threads, "dataset_hash": "", "data": hashes, "resident": False,
        "created_ms": int(time.time() * 1000), "conventions": {}}, indent=1) + "\n")


def metrics_of(folder):
    """[(time in seconds, step, values, where its line ends in the file)] of the metrics events."""
    out, end = [], 0
    with open(folder / "events.jsonl", "rb") as file:
        for line in file:
            end += len(line)
            event = json.loads(line)
            if event["type"] == "metrics":
                out.append((event["t"] / 1000, event["step"], event["values"], end))
    return out
