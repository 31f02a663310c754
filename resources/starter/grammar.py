# SPDX-License-Identifier: Apache-2.0
"""The grammar of the starter corpus: one lexicon, a writer and a parser.

An everyday answer is   opener? lead tip+ vivid? example? closer?   with emoji between sentences. A list answer puts
lead, tips and the vivid sentence on lines that begin with "- ". Every sentence is a frame of lexicon.json whose slot
{x} holds a word of the same family. The parser accepts exactly these sentences in this order; it does not ask which
style was chosen. Verifiable tasks (arithmetic, sort, copy) have frames of their own; the parser checks their form,
never their result.

Command line:  grammar.py FILE.jsonl   (rows with prompt and completion; prints the share that parses, and reasons)
"""
import collections
import json
import pathlib
import re
import sys

LEXICON = json.loads((pathlib.Path(__file__).parent / "lexicon.json").read_text(encoding="utf-8"))
FAMILIES = LEXICON["families"]
TONES = LEXICON["tones"]
EMOJI = LEXICON["emoji"]
WORDS = LEXICON["words"]
MAX_TIPS = 5


def capital(text):
    return text[:1].upper() + text[1:]


def fill(frame, x, vivid=False):
    """The frame as a sentence: slot filled, vivid inserts kept, or plain words in their place."""
    text = re.sub(r"\[([^\]|]*)(?:\|([^\]]*))?\]", lambda m: m[1] if vivid else m[2] or "", frame)
    return capital(text.replace("{x}", x))


def _alternatives(words):
    return "(?:" + "|".join(sorted((re.escape(w) for w in words), key=len, reverse=True)) + ")"


def _pattern(frame, family):
    """Regular expression of a frame: slot = any word of the family, inserts vivid or plain."""
    out = []
    for part in re.split(r"(\{x\}|\[[^\]]*\])", frame):
        if part == "{x}":
            out.append("(" + _alternatives(family["x"]) + ")")
        elif part.startswith("["):
            vivid, _, plain = part[1:-1].partition("|")
            out.append("(?:" + re.escape(vivid) + "|" + re.escape(plain) + ")")
        else:
            out.append(re.escape(part))
    return re.compile("".join(out))


class _Family:
    def __init__(self, name, data):
        self.name = name
        self.prompts = [_pattern(p, data) for p in data["prompts"]]
        capitalised = dict(data, x=data["x"] + [capital(x) for x in data["x"]])
        # (rank, id, pattern); the rank orders the parts of an answer.
        self.frames = []
        for i, text in enumerate(data["leads"]):
            self.frames.append((1, ("lead", i), _pattern(text, capitalised)))
        for i, text in enumerate(data["tips"]):
            self.frames.append((2, ("tip", i), _pattern(text, capitalised)))
        for i, text in enumerate(data["vivid"]):
            self.frames.append((3, ("vivid", i), _pattern(text, data)))
        leads = _alternatives(LEXICON["example_leads"])
        for i, text in enumerate(data["examples"]):
            self.frames.append((4, ("example", i), re.compile(leads + " " + _pattern(text, data).pattern)))


_COMPILED = {name: _Family(name, data) for name, data in FAMILIES.items()}
_OPENERS = sorted({o for t in TONES.values() for o in t["openers"] if o}, key=len, reverse=True)
_CLOSERS = sorted({c for t in TONES.values() for c in t["closers"] if c}, key=len, reverse=True)
_EXPRESSION = r"\d+(?: [+-] \d+)+"
VERIFY_PROMPTS = {
    "arithmetic": ["What is {e}?", "Compute {e}.", "How much is {e}?"],
    "sort": ["Sort these numbers: {e}.", "Sort these words: {e}."],
    "copy": ["Copy these words in reverse: {e}.", "Copy all but the first: {e}.", "Copy all but the last: {e}."],
}
_ARITHMETIC = re.compile(r"(?:So \d+ [+-] \d+ = \d+\. (?:Then \d+ [+-] \d+ = \d+\. )*)?The answer is \d+\.")
_ITEMS = re.compile(r"(?:First (\w+)\. (?:Then \w+\. )*Last \w+\. )?The answer is \w+(?:, \w+)*\.")


def family_of(prompt):
    """(family name, slot word) of an everyday prompt, or (None, None)."""
    for opener in LEXICON["prompt_openers"]:
        if prompt.startswith(opener):
            prompt = prompt[len(opener):]
            break
    for name, family in _COMPILED.items():
        for pattern in family.prompts:
            found = pattern.fullmatch(prompt)
            if found:
                return name, found.group(1)
    return None, None


def verify_kind(prompt):
    """arithmetic, sort or copy for a verifiable prompt, else None."""
    for kind, frames in VERIFY_PROMPTS.items():
        for frame in frames:
            head, tail = frame.split("{e}")
            body = _EXPRESSION if kind == "arithmetic" else r"\w+(?:, \w+)*"
            if re.fullmatch(re.escape(head) + body + re.escape(tail), prompt):
                return kind
    return None


def _sentences(completion):
    """Yields (is_item, rest of the line) for every line."""
    for line in completion.split("\n"):
        yield (True, line[2:]) if line.startswith("- ") else (False, line)


def _parse_with(family, completion):
    rank, seen, slots, items, prose_core, last_emoji = 0, set(), set(), 0, 0, False
    for is_item, rest in _sentences(completion):
        if not rest:
            return "empty line", None
        line_sentences = 0
        while rest:
            for mark in EMOJI:
                if rest.startswith(mark):
                    if last_emoji or (line_sentences == 0):
                        return "emoji out of place", None
                    last_emoji, rest = True, rest[len(mark):]
                    break
            else:
                found = None
                for word in _OPENERS:
                    if rest.startswith(word):
                        found = (0, ("opener", 0), len(word), ())
                        break
                if not found:
                    for word in _CLOSERS:
                        if rest.startswith(word):
                            found = (5, ("closer", 0), len(word), ())
                            break
                if not found:
                    for r, ident, pattern in family.frames:
                        m = pattern.match(rest)
                        if m:
                            found = (r, ident, m.end(), m.groups())
                            break
                if not found:
                    return "unknown sentence: " + rest[:60], None
                r, ident, length, groups = found
                if r < rank or ident in seen or (r != 2 and any(s[0] == ident[0] for s in seen)):
                    return "sentence out of order or repeated: " + rest[:length], None
                if is_item and (r not in (1, 2, 3) or line_sentences):
                    return "not a list item: " + rest[:length], None
                if r in (1, 2, 3):
                    items += is_item
                    prose_core += not is_item
                rank, last_emoji = r, False
                seen.add(ident)
                slots.update(g[:1].lower() + g[1:] for g in groups if g)
                rest = rest[length:]
                line_sentences += 1
            if rest:
                if not rest.startswith(" ") or len(rest) == 1:
                    return "missing or trailing space", None
                rest = rest[1:]
    kinds = collections.Counter(s[0] for s in seen)
    if not kinds["lead"]:
        return "no lead sentence", None
    if not 1 <= kinds["tip"] <= MAX_TIPS:
        return "no tip, or too many", None
    if items and prose_core:
        return "list and prose mixed", None
    if len(slots) > 1:
        return "more than one slot word: " + ", ".join(sorted(slots)), None
    return "ok", slots


def parse(prompt, completion, strict=False):
    """'ok', or why the completion is not of this grammar.

    A known prompt fixes the family; an unknown one may be answered by any. strict also asks that the slot word of
    the answer is the one of the prompt.
    """
    kind = verify_kind(prompt)
    if kind:
        pattern = _ARITHMETIC if kind == "arithmetic" else _ITEMS
        return "ok" if pattern.fullmatch(completion) else "not an answer of this task: " + completion[:60]
    name, slot = family_of(prompt)
    reason = "no family fits"
    for family in ([_COMPILED[name]] if name else _COMPILED.values()):
        reason, slots = _parse_with(family, completion)
        if reason == "ok":
            lowered = slot[:1].lower() + slot[1:] if slot else None
            if strict and lowered and slots and lowered not in slots:
                return "slot word is not the prompt's: " + ", ".join(slots)
            return "ok"
    return reason


def main():
    total, good, reasons = 0, 0, collections.Counter()
    with open(sys.argv[1], encoding="utf-8") as rows:
        for line in rows:
            row = json.loads(line)
            reason = parse(row["prompt"], row["completion"])
            total += 1
            good += reason == "ok"
            if reason != "ok":
                reasons[reason.split(":")[0]] += 1
    print(json.dumps({"rows": total, "parsed": good, "share": good / max(total, 1), "reasons": dict(reasons)}))
    return 0 if total and good == total else 1


if __name__ == "__main__":
    sys.exit(main())
