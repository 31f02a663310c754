# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus and the prompts of the starter language model. Python 3.11, standard library, same seed same bytes.

    make_corpus.py --out corpus.jsonl [--rows 210000] [--seed 1] [--prompts-out prompts.jsonl] [--check]

Corpus rows: {"prompt", "completion", "kind": chat|verify, "style": {...}}. The style of an everyday answer is drawn
independently of the prompt and of its other parts, so that a model of this corpus answers every prompt in every
style; what a person prefers is left to preference training. About 20 % of the rows are small tasks with one right
answer. A part of those shows its working and a part does not: with working a small model is mostly right, without it
mostly wrong, which leaves a trainer with a verifier something to find.

The prompts do not depend on --seed. No dev or test prompt (and no arithmetic expression of one) is in the corpus.
"""
import argparse
import json
import random
import sys

import grammar
from grammar import EMOJI, FAMILIES, LEXICON, TONES, VERIFY_PROMPTS, WORDS, fill

PROMPT_SEED = 20
CHAT_SPLITS = (("train", 400), ("dev", 100), ("test", 200))
VERIFY_SPLITS = {"arithmetic": (("train", 300), ("dev", 60), ("test", 400)),
                 "sort": (("train", 100), ("dev", 20), ("test", 100)),
                 "copy": (("train", 100), ("dev", 20), ("test", 100))}
VERIFY_SHARE = 0.20
WORKING_SHARE = 0.35   # of the verifiable rows show their working
LARGEST = 30           # of an intermediate result


def style_of(rng):
    """One style: every part drawn on its own."""
    return {"length": rng.choices(("short", "medium", "long"), (0.40, 0.25, 0.35))[0],
            "tone": rng.choices(("warm", "neutral", "curt"), (0.40, 0.20, 0.40))[0],
            "vivid": rng.random() < 0.5, "list": rng.random() < 0.4, "emoji": rng.random() < 0.45,
            "examples": rng.random() < 0.45}


def chat_answer(rng, name, x, style):
    family, tone = FAMILIES[name], TONES[style["tone"]]
    count = {"short": 1, "medium": 2, "long": 4 if style["vivid"] else 5}[style["length"]]
    # In the order of the lexicon: which tip was said last tells which may follow, so a small model need not repeat one.
    tips = [family["tips"][i] for i in sorted(rng.sample(range(len(family["tips"])), count))]
    core = [fill(rng.choice(family["leads"]), x)]
    core += [fill(t, x, style["vivid"]) for t in tips]
    if style["vivid"] and style["length"] != "short" and not (style["length"] == "long" and style["examples"]):
        core.append(fill(rng.choice(family["vivid"]), x))
    opener, closer = rng.choice(tone["openers"]), rng.choice(tone["closers"])
    if style["length"] == "short":  # the tone shows at one end only
        opener, closer = (opener, "") if rng.random() < 0.5 else ("", closer)
    tail = []
    if style["examples"]:
        tail.append(rng.choice(LEXICON["example_leads"]) + " " + rng.choice(family["examples"]).replace("{x}", x))
    if closer:
        tail.append(closer)
    if style["emoji"]:
        if opener and rng.random() < 0.6:
            opener += " " + rng.choice(EMOJI)
        core = [s + " " + rng.choice(EMOJI) if rng.random() < 0.2 else s for s in core]
        (tail or core)[-1] = (tail or core)[-1].rstrip("".join(EMOJI)).rstrip() + " " + rng.choice(EMOJI)
    if style["list"]:
        lines = ([opener] if opener else []) + ["- " + s for s in core] + ([" ".join(tail)] if tail else [])
        return "\n".join(lines)
    return " ".join(([opener] if opener else []) + core + tail)


def arithmetic(rng, terms=None):
    """(expression, values of the running total). Totals stay in 0..LARGEST."""
    while True:
        n = terms or rng.choices((2, 3, 4, 5, 6), (0.10, 0.20, 0.30, 0.25, 0.15))[0]
        numbers = [rng.randint(1, 9) for _ in range(n)]
        signs = [rng.choice("+-") for _ in range(n - 1)]
        totals, text = [numbers[0]], str(numbers[0])
        for sign, value in zip(signs, numbers[1:]):
            totals.append(totals[-1] + (value if sign == "+" else -value))
            text += f" {sign} {value}"
        if all(0 <= t <= LARGEST for t in totals):
            return text, totals


def arithmetic_answer(expression, totals, working):
    out = ""
    if working:
        parts = expression.split(" ")
        for i, total in enumerate(totals[1:]):
            out += f"{'Then' if i else 'So'} {totals[i]} {parts[2 * i + 1]} {parts[2 * i + 2]} = {total}. "
    return out + f"The answer is {totals[-1]}."


def item_task(rng, kind):
    """(prompt, items of the right answer)."""
    n = rng.randint(3, 6)
    frame = rng.choice(VERIFY_PROMPTS[kind])
    if kind == "sort" and "numbers" in frame:
        items = rng.sample(range(1, LARGEST + 1), n)
        answer = sorted(items)
    else:
        items = rng.sample(WORDS, n)
        answer = {"sort": sorted(items), "reverse": items[::-1], "first": items[1:], "last": items[:-1]}[
            kind if kind == "sort" else next(k for k in ("reverse", "first", "last") if k in frame)]
    return frame.replace("{e}", ", ".join(map(str, items))), [str(a) for a in answer]


def item_answer(items, working):
    out = ""
    if working and len(items) > 1:
        out = f"First {items[0]}. " + "".join(f"Then {i}. " for i in items[1:-1]) + f"Last {items[-1]}. "
    return out + "The answer is " + ", ".join(items) + "."


def make_prompts():
    """The rows of prompts.jsonl and the keys that the corpus must not use."""
    rng = random.Random(PROMPT_SEED)
    everyday = sorted({p.replace("{x}", x) for f in FAMILIES.values() for p in f["prompts"] for x in f["x"]})
    rng.shuffle(everyday)
    rows, held_out = [], set()
    for split, count in CHAT_SPLITS:
        for i in range(count):
            prompt = everyday.pop()
            rows.append({"id": f"chat-{split}-{i:04}", "prompt": prompt, "split": split, "kind": "chat"})
            if split != "train":
                held_out.add(prompt)
    used = set()
    for kind, splits in VERIFY_SPLITS.items():
        for split, count in splits:
            i = 0
            while i < count:
                if kind == "arithmetic":
                    key, totals = arithmetic(rng, rng.choice((4, 5, 6)))
                    prompt, answer = rng.choice(VERIFY_PROMPTS[kind]).replace("{e}", key), str(totals[-1])
                else:
                    prompt, items = item_task(rng, kind)
                    key, answer = prompt, " ".join(items)
                if key in used:
                    continue
                used.add(key)
                if split != "train":
                    held_out.add(key)
                rows.append({"id": f"{kind}-{split}-{i:04}", "prompt": prompt, "split": split, "kind": "verify",
                             "verifier": {"kind": kind, "answer": answer}})
                i += 1
    return rows, held_out


def corpus(seed, count, held_out):
    rng = random.Random(seed)
    names = sorted(FAMILIES)
    made = 0
    while made < count:
        if rng.random() < VERIFY_SHARE:
            kind = rng.choices(("arithmetic", "sort", "copy"), (0.56, 0.22, 0.22))[0]
            working = rng.random() < WORKING_SHARE
            if kind == "arithmetic":
                key, totals = arithmetic(rng)
                prompt = rng.choice(VERIFY_PROMPTS[kind]).replace("{e}", key)
                completion = arithmetic_answer(key, totals, working)
            else:
                prompt, items = item_task(rng, kind)
                key, completion = prompt, item_answer(items, working)
            if key in held_out:
                continue
            row = {"prompt": prompt, "completion": completion, "kind": "verify",
                   "style": {"task": kind, "working": working}}
        else:
            name = rng.choice(names)
            x = rng.choice(FAMILIES[name]["x"])
            prompt = rng.choice(FAMILIES[name]["prompts"]).replace("{x}", x)
            if prompt in held_out:
                continue
            style = style_of(rng)
            completion = chat_answer(rng, name, x, style)
            if rng.random() < 0.15:
                prompt = rng.choice(LEXICON["prompt_openers"]) + prompt
            row = {"prompt": prompt, "completion": completion, "kind": "chat", "style": style}
        made += 1
        yield row


def dump(row):
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--out", help="corpus to write (JSONL)")
    options.add_argument("--rows", type=int, default=210000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--prompts-out", help="prompts to write (JSONL)")
    options.add_argument("--check", action="store_true", help="parse every row with the grammar; fail on the first that does not")
    args = options.parse_args()
    rows, held_out = make_prompts()
    if args.prompts_out:
        with open(args.prompts_out, "w", encoding="utf-8", newline="\n") as out:
            out.writelines(dump(r) for r in rows)
    if args.out:
        with open(args.out, "w", encoding="utf-8", newline="\n") as out:
            for row in corpus(args.seed, args.rows, held_out):
                if args.check:
                    reason = grammar.parse(row["prompt"], row["completion"], strict=True)
                    if reason != "ok":
                        print(f"row does not parse: {reason}\n{dump(row)}", file=sys.stderr)
                        return 1
                out.write(dump(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
