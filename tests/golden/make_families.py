# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/families and tests/golden/adapters: tiny random models of every family and option, adapters that PEFT
put on some of them, and what transformers and PEFT compute with them.

Run:   python -m venv v && v/bin/pip install torch==2.13.0 transformers==5.23.0 peft==0.19.1 safetensors==0.8.0 numpy==2.4.6
       v/bin/python tests/golden/make_families.py
Python 3.11, CPU, fp32, one thread, no network. Keys and tensor names: README.md beside this file.
"""
import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from make_llama import token_logps, write_json

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parent
OUT, ADAPTERS = HERE / "families", HERE / "adapters"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
PAD, BOS, EOS, VOCAB = 0, 1, 2, 61
LENGTHS, PROMPTS = [21, 9, 14], [6, 1, 3]
NEW_TOKENS, MIN_DISTINCT, MIN_MARGIN = 12, 4, 5e-3

SMALL = dict(vocab_size=VOCAB, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)
GPT2 = dict(vocab_size=VOCAB, n_embd=16, n_layer=2, n_head=2, n_positions=64, pad_token_id=PAD, bos_token_id=BOS,
            eos_token_id=EOS, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
# The three bands of llama3's scaling all lie within the 4 frequencies of these heads.
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}

# name: (family, settings, type of the file, largest shard); the first of a family has gradients too
CASES = {
    "gpt2": ("GPT2", GPT2, "float32", None),
    "gpt2_options": ("GPT2", dict(GPT2, n_inner=24, activation_function="gelu", scale_attn_by_inverse_layer_idx=True,
                                  tie_word_embeddings=False, layer_norm_epsilon=1e-4), "float32", None),
    "gpt2_unscaled": ("GPT2", dict(GPT2, activation_function="relu", scale_attn_weights=False), "float16", None),
    "llama3": ("Llama", dict(SMALL, head_dim=8, rope_parameters=LLAMA3), "float32", None),
    "llama_linear": ("Llama", dict(SMALL, rope_parameters=LINEAR, tie_word_embeddings=True), "bfloat16", None),
    "smollm": ("Llama", dict(SMALL, hidden_size=18, num_attention_heads=3, num_key_value_heads=1, rope_parameters=ROPE,
                             tie_word_embeddings=True), "float32", None),
    "mistral": ("Mistral", dict(SMALL, sliding_window=None, rope_parameters=ROPE), "float32", None),
    "mistral_window": ("Mistral", dict(SMALL, sliding_window=5, head_dim=6, rope_parameters=ROPE), "float32", "6KB"),
    "qwen2": ("Qwen2", dict(SMALL, rope_parameters=ROPE, tie_word_embeddings=True), "float32", None),
    "qwen2_window": ("Qwen2", dict(SMALL, use_sliding_window=True, sliding_window=4, max_window_layers=1,
                                   rope_parameters=ROPE), "bfloat16", "4KB"),
    "qwen3": ("Qwen3", dict(SMALL, head_dim=8, rope_parameters=dict(ROPE, rope_theta=1e6)), "float32", None),
    "qwen3_options": ("Qwen3", dict(SMALL, head_dim=6, attention_bias=True, tie_word_embeddings=True, use_sliding_window=True,
                                    sliding_window=7, max_window_layers=1, rope_parameters=ROPE), "float32", None),
}
WITH_GRADIENTS = ("gpt2", "llama3", "mistral_window", "qwen2", "qwen3")

# name: (model, LoraConfig)
LORA = {
    "llama_attention": ("smollm", dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"])),
    "llama_all": ("smollm", dict(r=2, lora_alpha=3, target_modules="all-linear", use_rslora=True)),
    "qwen2_all": ("qwen2", dict(r=2, lora_alpha=5, target_modules="all-linear")),
    "qwen2_attention": ("qwen2", dict(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj"], use_rslora=True)),
    "gpt2_all": ("gpt2", dict(r=2, lora_alpha=4, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)),
}


def randomise(model, seed, kind):
    """Weights wide enough that logits differ by whole units; norms and biases away from 1 and 0; exact in `kind`."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=g)
            last = name.split(".")[-2]
            if "norm" in last or last.startswith("ln_"):
                noise = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
            elif name.endswith(".bias"):
                noise = 0.2 * noise
            elif last in ("embed_tokens", "wte", "wpe"):
                noise = (0.4 if model.config.tie_word_embeddings else 0.6) * noise
            else:
                inputs = p.shape[0] if last.startswith("c_") else p.shape[-1]
                noise = 1.3 * noise / inputs ** 0.5
            p.copy_(noise.to(kind).float())


def make_batch(seed):
    g = torch.Generator().manual_seed(seed)
    ids = torch.full((len(LENGTHS), max(LENGTHS)), PAD)
    mask = torch.zeros_like(ids)
    for i, n in enumerate(LENGTHS):
        ids[i, :n] = torch.randint(3, VOCAB, (n,), generator=g)
        ids[i, 0] = BOS
        mask[i, :n] = 1
    ids[1, 4] = PAD  # a real token that equals the pad id
    return ids, mask


def generations(model, seed):
    """Greedy continuations, or None when a step is nearly a tie or all is a loop."""
    g = torch.Generator().manual_seed(seed)
    rows = []
    for n in (1, 4, 11):
        prompt = [BOS] + torch.randint(3, VOCAB, (n - 1,), generator=g).tolist()
        with torch.no_grad():
            out = model.generate(input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, n, dtype=torch.long),
                                 max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=PAD)[0]
            best = model(out[None]).logits[0, n - 1:-1].topk(2, -1)
        new = out[n:].tolist()
        if best.indices[:, 0].tolist() != new:
            raise SystemExit("generate differs from the whole pass")
        if (best.values[:, 0] - best.values[:, 1]).min().item() < MIN_MARGIN or len(set(new)) < MIN_DISTINCT:
            return None
        rows.append({"prompt": prompt, "new_tokens": new})
    return rows


def scores(family, model, ids, mask, seed):
    """What a classifier on the same body gives, with a random head."""
    config = type(model.config)(**{**model.config.to_dict(), "num_labels": 1})
    classifier = getattr(transformers, family + "ForSequenceClassification")(config).float().eval()
    classifier.base_model.load_state_dict(model.base_model.state_dict())
    head = torch.randn(1, config.hidden_size, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        classifier.score.weight.copy_(head)
        # A row's last real token may be the pad id's twin: each row by itself, without padding.
        out = [classifier(input_ids=ids[i:i + 1, :n]).logits[0, 0] for i, n in enumerate(LENGTHS)]
    return {"score.weight": head, "scores": torch.stack(out)}


def causal(name, seed):
    family, settings, kind, shard = CASES[name]
    folder = OUT / name
    head = "GPT2LMHeadModel" if family == "GPT2" else family + "ForCausalLM"
    config = getattr(transformers, family + "Config")(**settings)
    config._attn_implementation = "eager"
    dtype = getattr(torch, kind)
    for attempt in range(500):
        model = getattr(transformers, head)(config).float().eval()
        randomise(model, seed + attempt, dtype)
        rows = generations(model, seed)
        if rows:
            break
    else:
        raise SystemExit(f"{name}: no seed without near ties")
    ids, mask = make_batch(seed)
    labels = ids.masked_fill(mask == 0, -100)
    out = model(input_ids=ids, attention_mask=mask, labels=labels)
    tensors = {"logits": out.logits.detach() * mask[..., None], "input_ids": ids, "attention_mask": mask,
               "token_logps": token_logps(out.logits.detach(), ids, mask), **scores(family, model, ids, mask, seed)}
    if name in WITH_GRADIENTS:
        out.loss.backward()
        tensors.update({"grad." + n: p.grad.clone() for n, p in model.named_parameters()})
    loss = out.loss.item()
    model.generation_config = transformers.GenerationConfig(pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)
    (model if kind == "float32" else model.to(dtype)).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    (folder / "generation_config.json").unlink()
    again = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        worst = (again(input_ids=ids, attention_mask=mask).logits * mask[..., None] - tensors["logits"]).abs().max().item()
    assert worst < 1e-5, (name, worst)
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {"versions": VERSIONS, "seed": seed + attempt, "lengths": LENGTHS, "prompt_lengths": PROMPTS,
                                          "loss": loss, "file_type": kind, "generation": rows})
    if "rope_parameters" in settings:  # as transformers before 5 spells it
        old = json.loads((folder / "config.json").read_text())
        rope = old.pop("rope_parameters")
        old["rope_theta"] = rope.pop("rope_theta")
        kind_of = rope.pop("rope_type")
        old["rope_scaling"] = None if kind_of == "default" else {"type" if kind_of == "linear" else "rope_type": kind_of, **rope}
        old["torch_dtype"] = old.pop("dtype")
        write_json(folder / "config_v4.json", old)
    print(name, "attempt", attempt, "loss", round(loss, 3), "bytes", sum(f.stat().st_size for f in folder.iterdir()))


def adapter(name, seed):
    model_name, settings = LORA[name]
    base = AutoModelForCausalLM.from_pretrained(OUT / model_name, dtype=torch.float32, attn_implementation="eager").eval()
    ids, mask = make_batch(seed)
    with torch.no_grad():
        off = base(input_ids=ids, attention_mask=mask).logits * mask[..., None]
    torch.manual_seed(seed)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
    g = torch.Generator().manual_seed(seed)
    for n, p in model.named_parameters():
        if "lora_B" in n:  # 0 at first, which would show nothing
            p.data.copy_(0.3 * torch.randn(p.shape, generator=g))
    with torch.no_grad():
        on = model(input_ids=ids, attention_mask=mask).logits * mask[..., None]
    folder = ADAPTERS / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["target_modules"] = sorted(config["target_modules"])  # written from a set: in another order every time
    config["base_model_name_or_path"] = model_name
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    merged = {n: p.detach().clone() for n, p in model.merge_and_unload().named_parameters()}
    kept = {n: merged[n] for n in sorted(merged) if n.endswith(("0.self_attn.q_proj.weight", "1.self_attn.v_proj.weight",
                                                                 "1.mlp.down_proj.weight", "0.attn.c_attn.weight"))}
    save_file({"input_ids": ids, "attention_mask": mask, "on": on.contiguous(), "off": off.contiguous(),
               **{"merged." + n: w.contiguous() for n, w in kept.items()}}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {"versions": VERSIONS, "model": model_name, "lengths": LENGTHS})
    print(name, sum(f.stat().st_size for f in folder.iterdir()), "difference", (on - off).abs().max().item())


if __name__ == "__main__":
    for folder in (OUT, ADAPTERS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for i, case in enumerate(CASES):
        causal(case, 1000 * (i + 1))
    for i, case in enumerate(LORA):
        adapter(case, 50_000 + i)
