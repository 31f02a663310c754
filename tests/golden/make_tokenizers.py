# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/tokenizers (tokenizer.json files and what Hugging Face tokenizers does with them) and tests/golden/chat.

Run:   python -m venv v && v/bin/pip install tokenizers==0.23.3 transformers==5.23.0 jinja2==3.1.6
       v/bin/python tests/golden/make_tokenizers.py
Python 3.11, no network. resources/starter/model/tokenizer.json, where present, gets its own cases; its text is made here too.
Keys: README.md beside this file.
"""
import hashlib
import json
import pathlib
import random
import shutil

import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "tokenizers"
STARTER = HERE.parent.parent / "resources" / "starter" / "model" / "tokenizer.json"
VERSIONS = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPACE = "\u2581"  # what SentencePiece writes for a space
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<pad>"]
ADDED = ["[[note]]"]  # added, but not special: stays when special tokens are skipped
CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")

THINGS = ("list letter garden soup river number sentence friend meeting kitchen weather morning über café naïve "
          "Straße мир привет слово こんにちは 世界 中文 字符 한국어 émigré jalapeño αβγ 12 345 6789 3.14 "
          "bicycle umbrella library orchestra mountain candle window bread thunder island question traveller notebook "
          "blanket honey compass lantern pepper harbour saddle violin cabinet marble feather cinnamon DON'T WE'VE It's "
          "книга дорога 日本語 東京 ελλάδα שלום مرحبا").split()


def corpus():
    rng = random.Random(1)
    people = "I you we they she he it".split()
    verbs = "don't can't write read sort count copy thank walk'll we've it's make plan cook clean answer ask pack".split()
    ends = [".", "!", "?", "...", "\n", "\n\n", ":\n- ", "; ", "  ", " 🙂 ", " 👩‍🚀 ", ")", "}\n", " = "]
    for _ in range(4000):
        words = [rng.choice(people), rng.choice(verbs), "the", rng.choice(THINGS), "and", rng.choice(THINGS)]
        yield " ".join(words).capitalize() + rng.choice(ends) + rng.choice(THINGS) + rng.choice(ends)


def train(pre, vocab, normalizer=None):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre
    if normalizer:
        tok.normalizer = normalizer
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=SPECIALS, show_progress=False))
    tok.add_tokens(ADDED)
    return tok


def make_tokenizers():
    gpt2 = train(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), 700)
    gpt2.post_processor = processors.ByteLevel(trim_offsets=False)
    data = json.loads(gpt2.to_str())
    data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]  # the older spelling of merges: "a b"
    yield "gpt2", data

    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated", invert=False),
                                     pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    llama3 = train(split, 900)
    llama3.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "llama3", json.loads(llama3.to_str())

    # as Meta's file has it: whole words first (ignore_merges), and a template that puts the begin token in front.
    # 300 merges are taken away, so that their words can only be found whole.
    llama3.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|endoftext|> $A", pair="<|endoftext|> $A <|endoftext|> $B", special_tokens=[("<|endoftext|>", 0)])])
    data = json.loads(llama3.to_str())
    data["model"]["ignore_merges"] = True
    data["model"]["merges"] = data["model"]["merges"][:-300]
    whole = Tokenizer.from_str(json.dumps(data))
    data["model"]["ignore_merges"] = False
    merged = Tokenizer.from_str(json.dumps(data))
    data["model"]["ignore_merges"] = True
    differ = sum(whole.encode(s).ids != merged.encode(s).ids for s in strings())
    assert differ >= 10, differ  # else the cases would not see the option
    yield "llama3_ignore_merges", data

    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated", invert=False),
                                     pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    qwen = train(split, 800, normalizers.NFC())
    qwen.add_tokens([AddedToken("<think>", normalized=False), AddedToken("word", single_word=True), AddedToken("caf\u00e9s"),
                     AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<both>", lstrip=True, rstrip=True, special=True)])
    qwen.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "qwen", json.loads(qwen.to_str())

    begin = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
             "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    undo = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
    fallback = {"type": "Sequence", "decoders": [undo, {"type": "ByteFallback"}, {"type": "Fuse"},
                                                 {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    # as transformers writes Llama 2: no pre-tokenizer, so that a whole text is one word
    data = sentencepiece(700)
    data.update(normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, replace]}, pre_tokenizer=None,
                post_processor=begin, decoder=fallback)
    yield "llama2", data
    # the newer spelling, as Mistral has it
    data = sentencepiece(900)
    data.update(pre_tokenizer={"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False},
                post_processor=begin, decoder=fallback)
    data["added_tokens"][0]["normalized"] = True  # "<unk>" is looked for in the normalized text
    yield "mistral", data
    # the older one; no byte tokens, so that what has no token becomes <unk>, and a normalizer of several steps
    data = sentencepiece(600, byte_tokens=False)
    data.update(normalizer={"type": "Sequence", "normalizers": [
                    {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True},
                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
                pre_tokenizer={"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True},
                decoder={"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True})
    data["added_tokens"].append({"id": 599, "content": "Stop Word", "single_word": True, "lstrip": False, "rstrip": True,
                                 "normalized": True, "special": False})
    yield "metaspace", data


def sentencepiece(vocab, byte_tokens=True):
    """BPE over characters as converters of SentencePiece models write it: <unk>, <s>, </s>, 256 byte tokens, few characters."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=byte_tokens))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=True)
    special = ["<unk>", "<s>", "</s>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)] if byte_tokens else []
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab - 1, special_tokens=special + bytes_, limit_alphabet=90,
                                                          show_progress=False))
    data = json.loads(tok.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if token["content"] in special]
    return data


# The strings that test and script both make: so many that only a hash of what comes out of most of them is kept.
POOLS = {
    "words": THINGS + ("the of and to in is that it was for on are as with his they at be this from have or by one had not but what all were "
                       "when we there can an your which their said if do will each about how up out them then she many some so these would "
                       "other into has more her two like him see time could no make than first been its who now people my made over did down "
                       "Word word words keyword stop Stop Word STOP Qwen Llama tokenizer caf\u00e9s cafe\u0301s na\u00efvet\u00e9 \u00c5ngstr\u00f6m A\u030angstro\u0308m "
                       "\ufb01nal \uff37\uff4f\uff52\uff44 \u216b \u0130stanbul \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u1e9e \u01c4 \ud55c\uae00 \u1112\u1161\u11ab\u1100\u1173\u11af \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea "
                       "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0 \u7b80\u4f53\u4e2d\u6587 \u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u0540\u0561\u0575\u0565\u0580\u0565\u0576 Ti\u1ebfng Vi\u1ec7t").split(),
    "spaces": [" ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\u200b", SPACE, SPACE * 2, " " * 9],
    "marks": [".", ",", "!", "?", ":", ";", "...", "-", "--", "(", ")", "[", "]", "{", "}", "\"", "'", "/", "\\", "_", "#", "*", "+", "=", "<", ">",
              "|", "&", "%", "$", "@", "\u2014", "\u201c", "\u201d", "\u2026", "\u20ac", "\u00bd", "\u00b2", "'s", "'t", "'LL", "n't", "://", "==", "\u3002", "\uff0c"],
    "emoji": ["\U0001f642", "\U0001f469\u200d\U0001f680", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\u0301", "\u0308\u0323", "\u200d", "\ufe0f"],
    "tokens": ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<pad>", "[[note]]", "<think>", "<left>", "<both>", "<s>", "</s>", "<unk>", "<0x41>",
               "<|im_end", "Stop Word", " word "],
}
# first and last code point of stretches that are all assigned
RANGES = [[0x61, 0x7A], [0x41, 0x5A], [0x30, 0x39], [0x20, 0x7E], [0xA1, 0x17F], [0x391, 0x3A1], [0x3B1, 0x3C9], [0x410, 0x44F], [0x5D0, 0x5EA],
          [0x627, 0x64A], [0x905, 0x939], [0x93E, 0x94D], [0xE01, 0xE3A], [0x10D0, 0x10F0], [0x1100, 0x1112], [0x1161, 0x1175], [0x1E00, 0x1EFF],
          [0x2010, 0x2027], [0x2190, 0x21FF], [0x2460, 0x24FF], [0x3041, 0x3096], [0x30A1, 0x30FA], [0x4E00, 0x9FA5], [0xAC00, 0xD7A3],
          [0xFB00, 0xFB06], [0xFF01, 0xFF5E], [0x300, 0x33F], [0x1D400, 0x1D454], [0x1F600, 0x1F64F], [0x20000, 0x2A6D6], [0x1, 0x1F]]
# which pool a piece comes from: one of these, by chance; "range" stands for 1 to 6 characters of one stretch
KINDS = ["words", "words", "words", "words", "words", "spaces", "spaces", "marks", "marks", "range", "range", "emoji", "tokens"]
GENERATED, IN_FULL, BLOCK = 10000, 500, 500


class Lcg:
    """Knuth's MMIX generator, its upper 31 bits."""

    def __init__(self, seed):
        self.state = seed

    def next(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def generated():
    rng = Lcg(20260401)
    for _ in range(GENERATED):
        text = ""
        for _ in range(2 + rng.next(14)):
            kind = KINDS[rng.next(len(KINDS))]
            if kind == "range":
                first, last = RANGES[rng.next(len(RANGES))]
                for _ in range(1 + rng.next(6)):
                    text += chr(first + rng.next(last - first + 1))
            else:
                pool = POOLS[kind]
                text += pool[rng.next(len(pool))]
                if kind == "words" and rng.next(4):
                    text += " "
        yield text


def generated_of(path):
    """Ids of the first IN_FULL strings, then a hash of ids and decoded text for each BLOCK of the others."""
    tok = Tokenizer.from_file(str(path))
    full, hashes, block = [], [], []
    for i, text in enumerate(generated()):
        ids = tok.encode(text, add_special_tokens=False).ids
        if i < IN_FULL:
            full.append(ids)
            continue
        block.append(" ".join(map(str, ids)) + "\t" + tok.decode(ids, skip_special_tokens=False).replace("\n", "\\n"))
        if len(block) == BLOCK:
            hashes.append(hashlib.sha256("\n".join(block).encode()).hexdigest())
            block = []
    assert not block
    return {"ids": full, "sha256": hashes}


def generator_file():
    texts = list(generated())
    assert len(set(texts)) > 0.97 * GENERATED, len(set(texts))
    lines = [json.dumps(text) for text in texts[:IN_FULL]]
    (OUT / "generator.json").write_text(
        json.dumps({"seed": 20260401, "count": GENERATED, "block": BLOCK, "pools": POOLS, "ranges": RANGES, "kinds": KINDS})[:-1]
        + ', "texts": [\n' + ",\n".join(lines) + "]}\n")


NORMALIZERS = [
    {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": SPACE},
    {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Strip", "strip_left": False, "strip_right": True},
    {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": "<$1>"},
    {"type": "Sequence", "normalizers": []},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Sequence", "normalizers": [
        {"type": "Replace", "pattern": {"Regex": "[\\x{300}-\\x{36f}]"}, "content": ""}, {"type": "Lowercase"}]}]},
]
DECODERS = [
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True},
    {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "never", "split": True},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": True},
    {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "Replace", "pattern": {"String": "ab"}, "content": ""},
    {"type": "Strip", "content": SPACE, "start": 1, "stop": 0}, {"type": "Strip", "content": "a", "start": 2, "stop": 0}, {"type": "Strip", "content": "b", "start": 0, "stop": 2},
    {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"},
                                      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}]},
]
PRETOKENIZERS = [
    {"type": "Split", "pattern": {"Regex": "[ab ]"}, "behavior": behaviour, "invert": invert}
    for behaviour in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous") for invert in (False, True)] + [
    {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False},
    {"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True},
    {"type": "Metaspace", "replacement": SPACE, "str_rep": SPACE, "add_prefix_space": False, "prepend_scheme": "never"},
    {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": True},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": False},
    {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "[ab ]"}, "behavior": "Removed", "invert": False},
                                           {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": True}]},
    {"type": "Sequence", "pretokenizers": [{"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": True},
                                           {"type": "Digits", "individual_digits": True}]},
]
STEP_TEXTS = ["", " ", "   ", "a", " a", "  abba  xab y ", "\u2581a \u2581b", "caf\u00e9 cafe\u0301 \ufb01 \u216b \u1e9e \u0130I \u03a3\u0391\u03a3 \u212b \u0958 \u1112\u1161\u11ab",
              "\u3000\u00a0x\u2003\u001c\u0085\u200b ", "12 345a6", "a1b22c", "\u0344\u0f73\u0f75 q\u0307\u0323 \u2126 \uff21\uff76\uff9e \u33a5 \u01c4", "_x _y__"]
STEP_TOKENS = [[], [SPACE], [SPACE + "a", "b" + SPACE, SPACE], ["<0xE4>", "<0xB8>", "<0x96>", "x"], ["<0xE4>", "<0xB8>", "x", "<0x41>", "<0xff>"],
               ["a", "ab", "aab", "aba", "aaaa", "xb"], ["\u0120the", "\u00e2\u0124", "\u20ac", "\u4e16"], [SPACE * 3, SPACE * 2 + "x" + SPACE],
               ["<0x4g>", "<0x4>", "<0x041>", "<s>"], ["_a", "_b_"]]


def steps_file():
    """Single normalizers, pre-tokenizers and decoders."""
    vocabulary = {"<unk>": 0}
    def empty(**entries):
        return Tokenizer.from_str(json.dumps({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                                              "pre_tokenizer": None, "post_processor": None, "decoder": None,
                                              "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                                                        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                                                        "vocab": vocabulary, "merges": []}, **entries}))
    rows = {"versions": VERSIONS, "normalizers": [], "pre_tokenizers": [], "decoders": []}
    for spec in NORMALIZERS:
        tok = empty(normalizer=spec)
        rows["normalizers"].append({"normalizer": spec, "cases": [[text, tok.normalizer.normalize_str(text)] for text in STEP_TEXTS]})
    for spec in PRETOKENIZERS:
        tok = empty(pre_tokenizer=spec)
        rows["pre_tokenizers"].append({"pre_tokenizer": spec, "cases": [
            [text, [piece for piece, _ in tok.pre_tokenizer.pre_tokenize_str(text)]] for text in STEP_TEXTS]})
    for spec in DECODERS:
        tok = empty(decoder=spec)
        rows["decoders"].append({"decoder": spec, "cases": [[tokens, tok.decoder.decode(tokens)] for tokens in STEP_TOKENS]})
    (OUT / "steps.json").write_text(json.dumps(rows, separators=(",", ":")).replace('{"normalizer"', '\n{"normalizer"')
                                    .replace('{"pre_tokenizer"', '\n{"pre_tokenizer"').replace('{"decoder"', '\n{"decoder"') + "\n")


HAND = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", " \n ", "  \n  ", "\n\n\n ", "\n \n \n", " \t \n\t",
    "a", " a", "a ", "  a", "a  ", "   a   b   ", "a\nb", "a\n\nb", "a \n b", "a\r\nb", "a\tb", "a\n  b", "a  \n  b", "a\n\n  \n\nb",
    "Hello world", "hello, world!", "Hello   world", " Hello", "HELLO", "hello\n", "The quick brown fox.",
    "don't", "Don't", "DON'T", "can't've", "it's", "It'S", "we've", "we'll", "I'm", "they'd", "you're", "'s", " 's", "'S", "'", "''", "'''",
    "'tis", "rock'n'roll", "x's y't z're", "it\u2019s", "'\u017f", "o'\u017f", "'VE", "'Ll", "'re'", "s's's", "a'b", "'m'd'll",
    "0", "1", "12", "123", "1234", "12345", "1234567890", "3.14159", "1,000,000", "1e-5", "0x1F", "a1b2c3", "1a", "v2.0.1", "2026-11-21",
    "12 345 6789", " 12", "  12", "007", "\u0661\u0662\u0663\u0664", "\u2160\u2161\u2162", "\u00bd\u00be", "x\u00b2+y\u00b3", "\u2460\u2461", "\uff11\uff12\uff13\uff14",
    "!", "!!!", "?!", "...", "\u2026", "-", "--", "\u2014", " -- ", "(a)", "[b]", "{c}", "<d>", "a_b", "__init__", "snake_case_name", "a/b/c",
    "a@b.c", "#tag", "$5.00", "100%", "a&b", "a*b", "a+b=c", "~`^|\\", "\"quoted\"", "'quoted'", "\u00abq\u00bb", "\u201cq\u201d", "a.b.c.", ".\n", "!\n\n", "},\n", "  ;\n",
    "x = [1, 2, 3]\n", "def f(x):\n    return x + 1\n", "if (a) {\n\tb();\n}\n", "- one\n- two\n- three", "1. one\n2. two", "| a | b |\n|---|---|",
    "caf\u00e9", "cafe\u0301", "na\u00efve", "nai\u0308ve", "Stra\u00dfe", "\u00dcber", "\u0130stanbul", "\u0131", "\ufb01ne", "\u01c5", "e\u0301\u0323", "\u0301", " \u0301", "a\u0301\u0302\u0303\u0304",
    "Z\u0351\u036b\u0343a\u0325\u0343l\u034d\u0348g\u0330\u0304o", "\u212a", "\u00aa\u00ba", "\u1e9e", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab",
    "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440", "\u0401\u0436", "\u03b1\u03b2\u03b3 \u03c9", "\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u0627", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0", "\u0561\u0562",
    "\u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u6771\u4eac\u30bf\u30ef\u30fc", "\u3000\u5168\u89d2", "\u4e2d\u6587abc123", "\u30ab\u3099", "\uff21\uff22\uff23", "\u3007", "\U00020000\U0002a6d6", "\u2f00",
    "\U0001f642", "\U0001f642\U0001f642", " \U0001f642 ", "a\U0001f642b", "\U0001f469\u200d\U0001f680", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\u2764", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U0001f9d1\U0001f3ff\u200d\U0001f4bb!",
    "\u00a0", "a\u00a0b", "\u2003", "a\u2003\u2003b", "\u3000", "a\u3000b", "\u2028", "a\u2028b", "\u2029", "\u0085", "a\u0085b", "\u200b", "a\u200bb", "\u200d", "\u2060", "\ufeff", "\ufeffBOM", "\u180e", "a\u180eb", "\u202f", "\u205f", "\u1680", "\u000b", "\u000c", "a\u000bb\u000cc", " \u00a0 ", "\u00a0 x", " \u00a0x",
    "\u0000", "a\u0000b", "\u0001\u0002\u0003", "\u001b[31mred\u001b[0m", "\u007f", "\u0080\u0081", "\u001c\u001d\u001e\u001f", "a\u001cb", "\u00ad", "a\u00adb", "\u0600", "\u202e abc", "\u2066", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "\ue000", "\U000f0000", "\u0378",
    "\u20ac100", "\u00a35", "\u00a9\u00ae\u2122", "\u2190\u2191\u2192", "\u2200x\u2208\u211d", "\u221e", "\u266a\u266b", "\u00b0C", "\u00b5m", "\u2603", "\u0f3a", "\u0903", "\u20dd", "\u093e",
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<pad>", "a<|endoftext|>b", " <|endoftext|> ", "a <|im_end|> b", "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|><|im_start|>", "<|im_end|><|endoftext|><pad>", "<|endoftext|", "|endoftext|>", "<|endoftext|>>", "<<|endoftext|>", "<|ENDOFTEXT|>", "<|im_start|>\n", "\n<|im_start|>", "<|im_ start|>", "[[note]]", "a[[note]]b", " [[note]] ", "[[note]", "[[[note]]]", "[[note]][[note]]", "[[NOTE]]", "<|im_end|>[[note]]<|im_start|>", "don<|im_end|>'t", "12<pad>34", "  <pad>  ", "e<pad>\u0301",
    "a" * 100, "ab" * 60, " " * 50, "\n" * 30, " \n" * 20, "0" * 40, "!" * 40, "\u4e16" * 30, "\U0001f642" * 20, "\u0301" * 20, "the " * 30, "don't " * 15, "\t" * 17 + "x", "x" + " " * 33,
]


def strings():
    rng = random.Random(7)
    pools = [
        "abcdefghijklmnopqrstuvwxyz", "ABC XYZ", "0123456789", "     ", "\n\n\r\t ", ".,;:!?'\"-_()[]{}<>|", "\u00e9\u00fc\u00df\u00f1\u00e7", "\u0301\u0308\u20dd",
        "\u4e16\u754c\u4e2d\u6587\u3042\u30ab", "\u0430\u0431\u0432\u03b1\u03b2", "\u05e9\u0645\u0928", "\U0001f642\U0001f680\u200d\ufe0f\U0001f3fd", "\u00a0\u2003\u3000\u200b\u0085\u2028", "\u0000\u0007\u001b\u007f",
        "\u0663\u2162\u00bd\u00b2", "\u20ac\u221e\u2192", ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<pad>", "[[note]]"], ["'s", "'t", "'LL", "'re", "don't", "it's"],
        ["hello", " the", "garden", " river", "list", "\n- ", ": "]]
    out = list(HAND)
    for _ in range(120):  # short, from few pools: borders between classes
        chosen = rng.sample(pools, 2)
        out.append("".join(rng.choice(rng.choice(chosen)) for _ in range(rng.randint(2, 8))))
    for _ in range(80):  # longer, from all
        out.append("".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(10, 50))))
    out += list(corpus())[:40] + [" " + word for word in THINGS]
    seen, unique = set(), []
    for s in out:
        if s not in seen:
            seen.add(s)
            unique.append(s)
    return unique


def cases_of(path, target):
    tok = Tokenizer.from_file(str(path))
    rng = random.Random(9)
    cases = []
    for text in strings():
        ids = tok.encode(text, add_special_tokens=False).ids
        case = {"text": text, "ids": ids, "decoded": tok.decode(ids, skip_special_tokens=False),
                "decoded_skip_special": tok.decode(ids, skip_special_tokens=True)}
        special = tok.encode(text, add_special_tokens=True).ids
        if special != ids:
            case["ids_with_special"] = special
        cases.append(case)
    decode = []
    plain = [i for i in range(tok.get_vocab_size()) if tok.id_to_token(i) is not None]
    for k in range(100):  # ids no text gives: cut and stray UTF-8 bytes become U+FFFD
        pool = plain if k % 2 else plain[:264]
        ids = [rng.choice(pool) for _ in range(rng.randint(1, 12))]
        decode.append({"ids": ids, "decoded": tok.decode(ids, skip_special_tokens=False),
                       "decoded_skip_special": tok.decode(ids, skip_special_tokens=True)})
    target.write_text(json.dumps({"versions": VERSIONS, "tokenizer_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "vocab_size": tok.get_vocab_size(), "cases": cases, "decode_cases": decode, "generated": generated_of(path)},
                                 separators=(",", ":")).replace('{"text"', '\n{"text"').replace('{"ids"', '\n{"ids"').replace("],[", "],\n[") + "\n")
    print(target.relative_to(HERE), tok.get_vocab_size(), len(cases), len(decode),
          sum(c["decoded"] != c["text"] for c in cases), "do not come back")


def pieces_of(path, target):
    """What the pre-tokenizer alone cuts: lengths in UTF-8 bytes, in order. Merges can hide a wrong cut; this cannot."""
    pre = Tokenizer.from_file(str(path)).pre_tokenizer
    rows = []
    for text in strings():
        lengths = [len(piece) for piece, _ in pre.pre_tokenize_str(text)]  # one stand-in character a byte
        assert sum(lengths) == len(text.encode()), text
        rows.append({"text": text, "bytes": lengths})
    target.write_text(json.dumps({"versions": VERSIONS, "cases": rows}, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")


def conversations():
    user, assistant, system = (lambda r: lambda t: {"role": r, "content": t})("user"), *(
        (lambda r: lambda t: {"role": r, "content": t})(r) for r in ("assistant", "system"))
    return [
        [user("Hello")], [user("")], [system("Be brief."), user("Hi")], [user("Hi"), assistant("Hello!")],
        [system("You are kind."), user("Hi"), assistant("Hello!"), user("Bye")], [user("  leading and trailing  ")],
        [user("\nline\n")], [user("a\n\nb\n"), assistant("- one\n- two\n")], [user("<|im_end|> inside")],
        [user("{{ 1 + 1 }} {% if x %}")], [user("it's \"quoted\" \\n \\ back")], [user("\u4f60\u597d \U0001f642"), assistant("caf\u00e9")],
        [assistant("I begin")], [system("only a system message")], [user("1"), user("2"), user("3")], [user("tab\there\r\nand return")],
        [{"role": "tool", "content": "{\"x\": 1}"}], [user("&lt;b&gt; <b>bold</b> &amp;")], [user("a" * 200), assistant("b" * 100)],
        [system(""), user("?"), assistant(""), user("!")],
    ]


def chat():
    folder = HERE / "chat"
    folder.mkdir(exist_ok=True)
    tok = PreTrainedTokenizerFast(tokenizer_file=str(OUT / "gpt2" / "tokenizer.json"))
    cases = []
    for messages in conversations():
        for generate in (False, True):
            text = tok.apply_chat_template(messages, chat_template=CHATML, add_generation_prompt=generate, tokenize=False)
            cases.append({"messages": messages, "add_generation_prompt": generate, "text": text,
                          "ids": tok(text, add_special_tokens=False)["input_ids"]})
    (folder / "chatml.json").write_text(json.dumps({"versions": VERSIONS, "template": CHATML, "tokenizer": "tokenizers/gpt2",
                                                    "cases": cases}, indent=1) + "\n")
    print("chat/chatml.json", len(cases))


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    generator_file()
    steps_file()
    for name, data in make_tokenizers():
        (OUT / name).mkdir(parents=True)
        path = OUT / name / "tokenizer.json"
        path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        cases_of(path, OUT / name / "cases.json")
        if name in ("gpt2", "llama3"):
            pieces_of(path, OUT / name / "pieces.json")
    chat()
    if STARTER.exists():
        cases_of(STARTER, OUT / "starter_cases.json")
    else:
        print("no resources/starter/model/tokenizer.json: starter_cases.json not written")
