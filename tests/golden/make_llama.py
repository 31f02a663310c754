# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/llama: tiny random Llama checkpoints and what transformers computes with them.

Run:   python -m venv v && v/bin/pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 numpy==2.4.6
       v/bin/python tests/golden/make_llama.py
Python 3.11, CPU, fp32, one thread, no network. Keys and tensor names: README.md beside this file.
"""
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification,
                          get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
                          get_linear_schedule_with_warmup)
import transformers

torch.set_num_threads(1)
OUT = pathlib.Path(__file__).resolve().parent / "llama"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__}
PAD, BOS, EOS, VOCAB = 0, 1, 2, 97
MIN_DISTINCT = 6   # least number of different tokens in a continuation, so that a loop is not all that is tested
MIN_MARGIN = 5e-3  # least gap between the two best logits of a greedy step: no tie may decide a token


def config(**kw):
    base = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=4, max_position_embeddings=128, rms_norm_eps=1e-5, pad_token_id=PAD,
                bos_token_id=BOS, eos_token_id=EOS, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
                rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    base.update(kw)
    return LlamaConfig(**base)


CASES = {
    "base": dict(),
    "gqa": dict(num_key_value_heads=2, tie_word_embeddings=False),
    "headdim": dict(head_dim=16, num_key_value_heads=2, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-6,
                    rope_parameters={"rope_type": "default", "rope_theta": 50000.0}, tie_word_embeddings=False),
}


def randomise(model, seed):
    """Weights wide enough that logits differ by whole units; norms and biases away from 1 and 0."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=g)
            if "norm" in name:
                p.copy_(1.0 + 0.1 * noise)
            elif name.endswith(".bias"):
                p.copy_(0.1 * noise)
            elif "embed_tokens" in name:
                p.copy_((0.25 if model.config.tie_word_embeddings else 0.5) * noise)
            else:
                p.copy_(1.2 * noise / p.shape[-1] ** 0.5)


def make_batch(seed, lengths):
    g = torch.Generator().manual_seed(seed)
    width = max(lengths)
    ids = torch.full((len(lengths), width), PAD)
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    for i, n in enumerate(lengths):
        ids[i, :n] = torch.randint(3, VOCAB, (n,), generator=g)
        ids[i, 0] = BOS
        mask[i, :n] = 1
    if lengths[-1] > 3:
        ids[-1, 2] = PAD  # a real token that equals the pad id: lengths decide, not ids
    return ids, mask


def token_logps(logits, ids, mask):
    """[B, T-1]: log p(ids[t+1] | ids[..t]), 0 where t+1 is padding."""
    lp = torch.log_softmax(logits[:, :-1].float(), -1).gather(-1, ids[:, 1:, None])[..., 0]
    return lp * mask[:, 1:]


def greedy(model, prompt, n, eos):
    with torch.no_grad():
        out = model.generate(input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                             max_new_tokens=n, do_sample=False, eos_token_id=eos, pad_token_id=PAD)
        ids = out[0].tolist()
        logits = model(torch.tensor([ids])).logits[0]
    best = logits[len(prompt) - 1:len(ids) - 1].topk(2, -1).values
    return ids[len(prompt):], (best[:, 0] - best[:, 1]).min().item()


def generations(model, seed):
    """Greedy continuations without and with an end token, or None when a step is nearly a tie."""
    g = torch.Generator().manual_seed(seed)
    rows = []
    for n in (1, 2, 5, 9, 16):
        prompt = [BOS] + torch.randint(3, VOCAB, (n - 1,), generator=g).tolist()
        free, margin = greedy(model, prompt, 24, None)
        if margin < MIN_MARGIN or len(set(free)) < MIN_DISTINCT:
            return None
        eos = free[11]
        stopped, _ = greedy(model, prompt, 24, eos)
        rows.append({"prompt": prompt, "new_tokens": free, "min_margin": margin, "eos": eos,
                     "new_tokens_until_eos": stopped})
    return rows


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def causal(name, kw, seed):
    folder = OUT / name
    for attempt in range(200):
        model = LlamaForCausalLM(config(**kw)).float().eval()
        randomise(model, seed + attempt)
        rows = generations(model, seed)
        if rows:
            break
    else:
        raise SystemExit(f"{name}: no seed without near ties")
    model.generation_config.eos_token_id = EOS
    model.save_pretrained(folder)
    cfg = json.loads((folder / "config.json").read_text())
    if name == "headdim":  # the older spelling of the same config: rope_theta and torch_dtype at the top level
        old = dict(cfg)
        old["rope_theta"] = old.pop("rope_parameters")["rope_theta"]
        old["rope_scaling"] = None
        old["torch_dtype"] = old.pop("dtype")
        old["transformers_version"] = "4.45.0"
        write_json(folder / "config_v4.json", old)

    lengths = [12, 7, 3, 9]
    ids, mask = make_batch(seed, lengths)
    labels = ids.masked_fill(mask == 0, -100)
    prompt_lengths = [4, 2, 1, 5]
    completion_labels = labels.clone()
    for i, n in enumerate(prompt_lengths):
        completion_labels[i, :n] = -100

    model.zero_grad()
    out = model(input_ids=ids, attention_mask=mask, labels=labels)
    out.loss.backward()
    grads = {n: p.grad.clone() for n, p in model.named_parameters()}
    total = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item()
    with torch.no_grad():
        completion_loss = model(input_ids=ids, attention_mask=mask, labels=completion_labels).loss.item()
        unpadded = [model(input_ids=ids[i:i + 1, :n]).logits[0] for i, n in enumerate(lengths)]
    logits = out.logits.detach() * mask[..., None]
    worst = max((logits[i, :n] - unpadded[i]).abs().max().item() for i, n in enumerate(lengths))
    assert worst < 1e-4, worst
    tensors = {"logits": logits, "token_logps": token_logps(logits, ids, mask), "input_ids": ids, "attention_mask": mask}
    tensors.update({"grad." + n: g for n, g in grads.items()})
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "versions": VERSIONS, "seed": seed + attempt, "pad": PAD, "bos": BOS, "eos": EOS,
        "input_ids": ids.tolist(), "lengths": lengths, "loss": out.loss.item(),
        "prompt_lengths": prompt_lengths, "completion_loss": completion_loss,
        "sequence_logps": tensors["token_logps"].sum(-1).tolist(),
        "grad_norm_total": total, "grad_norms": {n: g.norm().item() for n, g in grads.items()},
        "padding_difference": worst, "generation": rows})


def classifier(seed):
    folder = OUT / "reward"
    model = LlamaForSequenceClassification(config(num_labels=1, num_key_value_heads=2)).float().eval()
    randomise(model, seed)
    model.save_pretrained(folder)
    lengths = [12, 7, 3, 9]
    ids, mask = make_batch(seed, lengths)
    scores = model(input_ids=ids, attention_mask=mask).logits[:, 0]
    half = len(lengths) // 2  # Bradley-Terry: the first half against the second
    loss = -torch.nn.functional.logsigmoid(scores[:half] - scores[half:]).mean()
    loss.backward()
    grads = {n: p.grad.clone() for n, p in model.named_parameters()}
    with torch.no_grad():
        for i, n in enumerate(lengths):
            assert abs(model(input_ids=ids[i:i + 1, :n]).logits.item() - scores[i].item()) < 1e-4
    save_file({"scores": scores.detach(), "input_ids": ids, "attention_mask": mask,
               **{"grad." + n: g.contiguous() for n, g in grads.items()}}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "versions": VERSIONS, "input_ids": ids.tolist(), "lengths": lengths, "scores": scores.tolist(),
        "chosen_rows": [0, 1], "rejected_rows": [2, 3], "bradley_terry_loss": loss.item(),
        "grad_norm_total": torch.nn.utils.get_total_norm([p.grad for p in model.parameters()]).item(),
        "grad_norms": {n: g.norm().item() for n, g in grads.items()}})


def adamw(seed, weight_decay, name):
    """Five steps on the base model: HF linear schedule, clip_grad_norm_(1.0), AdamW; decay on matrices only."""
    folder = OUT / "adamw"
    folder.mkdir(exist_ok=True)
    model = LlamaForCausalLM.from_pretrained(OUT / "base", dtype=torch.float32).eval()
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
                            lr=5e-3, betas=(0.9, 0.95), eps=1e-8, foreach=False)
    sched = get_linear_schedule_with_warmup(opt, num_warmup_steps=2, num_training_steps=6)
    steps = []
    for step in range(5):
        lengths = [10, 6, 8]
        ids, mask = make_batch(seed + step, lengths)
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss
        opt.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        lr = opt.param_groups[0]["lr"]
        opt.step()
        sched.step()
        steps.append({"input_ids": ids.tolist(), "lengths": lengths, "loss": loss.item(), "grad_norm_before_clip": norm, "lr": lr})
    with torch.no_grad():
        ids, mask = make_batch(seed, [10, 6, 8])
        final = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss.item()
    save_file({n: p.detach().contiguous() for n, p in model.named_parameters()}, folder / f"{name}.safetensors")
    write_json(folder / f"{name}.json", {
        "versions": VERSIONS, "model": "base", "lr": 5e-3, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": weight_decay,
        "decayed": "parameters of two or more dimensions", "max_grad_norm": 1.0, "warmup_steps": 2, "total_steps": 6,
        "schedule": "linear", "steps": steps, "final_loss_on_first_batch": final,
        "final": {n: {"sum": p.double().sum().item(), "sumsq": p.double().square().sum().item()}
                  for n, p in model.named_parameters()}})


def schedules():
    makers = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}
    out = {"versions": VERSIONS, "base_lr": 1.0, "about": "lr[i] is used by update i, counted from 0", "cases": []}
    for kind in ("linear", "cosine", "constant"):
        for warmup, total in ((0, 10), (3, 12), (5, 5)):
            opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
            s = (get_constant_schedule_with_warmup(opt, warmup) if kind == "constant" else makers[kind](opt, warmup, total))
            lrs = []
            for _ in range(total):
                lrs.append(opt.param_groups[0]["lr"])
                opt.step()
                s.step()
            out["cases"].append({"schedule": kind, "warmup_steps": warmup, "total_steps": total, "lr": lrs})
    write_json(OUT / "schedules.json", out)


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for i, (case, options) in enumerate(CASES.items()):
        causal(case, options, 1000 * (i + 1))
    classifier(5000)
    adamw(6000, 0.0, "plain")
    adamw(6000, 0.1, "decay")
    schedules()
