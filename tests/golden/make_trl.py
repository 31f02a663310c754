# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/trl: losses, metrics and gradients computed by TRL's own trainers.

Run:   python -m venv v && v/bin/pip install torch==2.13.0 transformers==5.23.0 trl==1.16.0 accelerate==1.15.0 \
           datasets==5.2.0 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6
       v/bin/python tests/golden/make_llama.py && v/bin/python tests/golden/make_trl.py
Python 3.11, CPU, fp32, one thread, no network. Keys and tensor names: README.md beside this file.

Two kinds of case. "from_logps": TRL's loss code is called with a stand-in model that returns recorded log-probabilities
(double precision). "from_model": it is called with the checkpoint trl/policy, reference llama/base.
"""
import json
import logging
import os
import pathlib
import shutil
import tempfile
import types
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import accelerate
import torch
import transformers
import trl
from datasets import Dataset
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, RewardConfig, RewardTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "trl"
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__,
            "accelerate": accelerate.__version__}
GOLDEN = json.loads((HERE / "losses_golden.json").read_text())
PAD, VOCAB = 0, 97


def tokenizer():
    t = Tokenizer(models.WordLevel({f"t{i}": i for i in range(VOCAB)}, unk_token="t3"))
    t.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=t, pad_token="t0", bos_token="t1", eos_token="t2", unk_token="t3",
                                   padding_side="left")


def words(g, n):
    return " ".join(f"t{i}" for i in torch.randint(3, VOCAB, (n,), generator=g).tolist())


def write(name, value):
    (OUT / name).write_text(json.dumps({"versions": VERSIONS, **value}, indent=1) + "\n")


def model_of(folder, cls=LlamaForCausalLM):
    return cls.from_pretrained(folder, dtype=torch.float32)


def make_policy():
    """The base model, every weight moved a little: log-ratios of some tenths of a nat a token."""
    model = model_of(HERE / "llama" / "base")
    g = torch.Generator().manual_seed(77)
    with torch.no_grad():
        for _, p in sorted(model.named_parameters()):
            p.add_(0.1 * p.std().clamp(max=0.3) * torch.randn(p.shape, generator=g))
    model.save_pretrained(OUT / "policy")


def common(tmp):
    return dict(output_dir=tmp, use_cpu=True, bf16=False, fp16=False, report_to="none", gradient_checkpointing=False,
                per_device_train_batch_size=4, gradient_accumulation_steps=1, save_strategy="no", disable_tqdm=True)


def last(metrics):
    """TRL's running metrics of one call, as plain numbers."""
    out = {}
    for key, values in metrics["train"].items():
        if values:
            v = values[-1]
            out[key] = v.item() if torch.is_tensor(v) else v
    metrics["train"].clear()
    return out


def grads_of(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def norms(model):
    g = grads_of(model)
    total = torch.sqrt(sum(x.double().square().sum() for x in g.values())).item()
    return {"grad_norm_total": total, "grad_norms": {n: x.norm().item() for n, x in g.items()}}


class FromLogps(torch.nn.Module):
    """Answers TRL's fused-head call with recorded per-token log-probabilities [B, T-1]."""

    def __init__(self, logps):
        super().__init__()
        self.logps = logps

    def forward(self, input_ids=None, **_):
        flat = torch.zeros_like(self.logps).detach()
        return types.SimpleNamespace(log_probs=self.logps, entropy=flat, mean_logits=flat, is_top1=flat.bool(),
                                     log_sum_sq_probs=flat)


# ---------------------------------------------------------------- DPO

DPO_LOSSES = {
    "sigmoid": dict(loss_type=["sigmoid"]),
    "ipo_norm": dict(loss_type=["ipo"]),
    "hinge": dict(loss_type=["hinge"]),
    "robust": dict(loss_type=["robust"], label_smoothing=0.1),
    "sigmoid_norm": dict(loss_type=["sigmoid_norm"]),
    "sigmoid_sft": dict(loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5]),
    "exo_pair": dict(loss_type=["exo_pair"], label_smoothing=0.001),
    "nca_pair": dict(loss_type=["nca_pair"]),
    "bco_pair": dict(loss_type=["bco_pair"]),
    "sppo_hard": dict(loss_type=["sppo_hard"]),
    "apo_zero": dict(loss_type=["apo_zero"]),
    "apo_down": dict(loss_type=["apo_down"]),
    "discopop": dict(loss_type=["discopop"], discopop_tau=0.05),
    "aot": dict(loss_type=["aot"]),
    "aot_unpaired": dict(loss_type=["aot_unpaired"]),
    "sigmoid_label_smoothing": dict(loss_type=["sigmoid"], label_smoothing=0.1),
    "f_forward_kl": dict(loss_type=["sigmoid"], f_divergence_type="forward_kl"),
    "f_js_divergence": dict(loss_type=["sigmoid"], f_divergence_type="js_divergence"),
    "f_alpha_divergence": dict(loss_type=["sigmoid"], f_divergence_type="alpha_divergence", f_alpha_divergence_coef=0.5),
}


def dpo_trainer(tmp, options):
    ds = Dataset.from_list([{"prompt": "t5 t6", "chosen": " t7 t8", "rejected": " t9"}] * 4)
    return DPOTrainer(model=model_of(OUT / "policy"), ref_model=model_of(HERE / "llama" / "base"),
                      args=DPOConfig(beta=0.1, **common(tmp), **options), train_dataset=ds, processing_class=tokenizer())


def golden_pair_inputs():
    """Per-token rows whose sums and lengths are the pairs of losses_golden.json: c, r, rc, rr, nc, nr."""
    pairs = GOLDEN["pairs"]
    lens = [p["nc"] for p in pairs] + [p["nr"] for p in pairs]
    width = max(lens)

    def spread(sums):
        rows = torch.zeros(len(lens), width, dtype=torch.float64)
        for i, (s, n) in enumerate(zip(sums, lens)):
            rows[i, :n] = s / n
        return rows

    policy = spread([p["c"] for p in pairs] + [p["r"] for p in pairs]).requires_grad_(True)
    ref = spread([p["rc"] for p in pairs] + [p["rr"] for p in pairs])
    mask = torch.zeros(len(lens), width + 1, dtype=torch.long)
    for i, n in enumerate(lens):
        mask[i, 1:n + 1] = 1
    ids = torch.full((len(lens), width + 1), 5)
    return policy, ref, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "completion_mask": mask}


def dpo(tmp):
    g = torch.Generator().manual_seed(11)
    sizes = [(4, 5, 3), (3, 2, 6), (6, 4, 4), (2, 7, 1)]
    rows = [{"prompt_ids": torch.randint(3, VOCAB, (p,), generator=g).tolist(),
             "chosen_ids": torch.randint(3, VOCAB, (c - 1,), generator=g).tolist() + [2],
             "rejected_ids": torch.randint(3, VOCAB, (r - 1,), generator=g).tolist() + [2]} for p, c, r in sizes]
    batch = DataCollatorForPreference(pad_token_id=PAD)(rows)
    logps_cases, model_cases, tensors, shared = [], [], {}, None
    for name, options in DPO_LOSSES.items():
        t = dpo_trainer(tmp, options)
        if shared is None:
            with torch.no_grad():
                def tok(m):
                    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
                    return m(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels,
                             fused_lm_head=True).log_probs
                pol, ref = tok(t.model), tok(t.ref_model)
                shared = {"token_logps": pol.tolist(), "ref_token_logps": ref.tolist(),
                          "chosen_logps": pol.sum(1)[:4].tolist(), "rejected_logps": pol.sum(1)[4:].tolist(),
                          "ref_chosen_logps": ref.sum(1)[:4].tolist(), "ref_rejected_logps": ref.sum(1)[4:].tolist()}
        # from the model
        t.model.train()
        t.model.zero_grad()
        loss = t.compute_loss(t.model, {k: v.clone() for k, v in batch.items()})
        loss.backward()
        model_cases.append({"name": name, "options": options, "loss": loss.item(), "metrics": last(t._metrics), **norms(t.model)})
        if name in ("sigmoid", "sigmoid_sft"):
            tensors.update({f"{name}.grad.{n}": x.contiguous() for n, x in grads_of(t.model).items()})
        # from log-probabilities: the pairs of losses_golden.json (alpha_divergence's clamp knows no float64)
        policy, ref, inputs = golden_pair_inputs()
        if name == "f_alpha_divergence":
            policy, ref = policy.detach().float().requires_grad_(True), ref.float()
        t.ref_model = FromLogps(ref)
        loss = t._compute_loss(FromLogps(policy), inputs, False)
        (grad,) = torch.autograd.grad(loss, policy)
        n = len(GOLDEN["pairs"])
        lens = inputs["completion_mask"].sum(1)
        row = torch.stack([grad[i, 0] for i in range(2 * n)])  # every token of a row has the same gradient
        logps_cases.append({"name": name, "options": options, "loss": loss.item(), "dL_dchosen": row[:n].tolist(),
                            "dL_drejected": row[n:].tolist(), "metrics": last(t._metrics), "lengths": lens.tolist()})
    # TRL's "sigmoid" ignores label_smoothing; its "aot" does not, and over one pair there is nothing to sort, so one pair
    # at a time "aot" is DPO with label smoothing (cDPO)
    smoothing = []
    for eps in (0.1, 0.3):
        t = dpo_trainer(tmp, dict(loss_type=["aot"], label_smoothing=eps))
        losses = []
        for p in GOLDEN["pairs"]:
            one = torch.tensor([[p["c"]], [p["r"]]], dtype=torch.float64)
            t.ref_model = FromLogps(torch.tensor([[p["rc"]], [p["rr"]]], dtype=torch.float64))
            inputs = {"input_ids": torch.full((2, 2), 5), "attention_mask": torch.ones(2, 2, dtype=torch.long),
                      "completion_mask": torch.tensor([[0, 1], [0, 1]])}
            losses.append(t._compute_loss(FromLogps(one), inputs, False).item())
            last(t._metrics)
        smoothing.append({"label_smoothing": eps, "per_pair": losses})
    write("dpo.json", {
        "beta": 0.1,
        "from_logps": {"pairs": GOLDEN["pairs"], "cases": logps_cases, "label_smoothing_via_aot": smoothing},
        "from_model": {"policy": "trl/policy", "reference": "llama/base", "rows": rows,
                       "input_ids": batch["input_ids"].tolist(), "attention_mask": batch["attention_mask"].tolist(),
                       "completion_mask": batch["completion_mask"].tolist(), **shared, "cases": model_cases}})
    save_file(tensors, OUT / "dpo_grads.safetensors")
    return logps_cases, smoothing


# ---------------------------------------------------------------- reward model

class Scores(torch.nn.Module):
    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def forward(self, **_):
        return types.SimpleNamespace(logits=self.scores[:, None])


def reward(tmp):
    g = torch.Generator().manual_seed(21)
    sizes = [(9, 6), (4, 11), (7, 7)]
    rows = [{"chosen_ids": torch.randint(3, VOCAB, (c,), generator=g).tolist(),
             "rejected_ids": torch.randint(3, VOCAB, (r,), generator=g).tolist()} for c, r in sizes]
    margin = torch.tensor([0.5, 0.0, 1.25])
    ids = torch.full((6, 11), PAD)
    mask = torch.zeros(6, 11, dtype=torch.long)
    for i, r in enumerate([r["chosen_ids"] for r in rows] + [r["rejected_ids"] for r in rows]):
        ids[i, :len(r)] = torch.tensor(r)
        mask[i, :len(r)] = 1
    ds = Dataset.from_list([{"chosen": "t5 t6 t7", "rejected": "t5 t9"}] * 4)
    model_cases, logps_cases, scores = [], [], None
    for name, use_margin, centre in (("plain", False, None), ("margin", True, None), ("centered", False, 0.01),
                                     ("margin_centered", True, 0.1)):
        t = RewardTrainer(model=model_of(HERE / "llama" / "reward", LlamaForSequenceClassification),
                          args=RewardConfig(center_rewards_coefficient=centre, **common(tmp)), train_dataset=ds,
                          processing_class=tokenizer())
        assert t.model.config.pad_token_id == PAD
        t.model.train()
        inputs = {"input_ids": ids, "attention_mask": mask}
        if use_margin:
            inputs["margin"] = margin
        loss, outputs = t.compute_loss(t.model, dict(inputs), return_outputs=True)
        loss.backward()
        scores = outputs.logits[:, 0].detach()
        options = {"margin": use_margin, "center_rewards_coefficient": centre}
        model_cases.append({"name": name, **options, "loss": loss.item(), "metrics": last(t._metrics), **norms(t.model)})
        rm = GOLDEN["rm"]
        given = torch.tensor(rm["chosen"] + rm["rejected"], dtype=torch.float64, requires_grad=True)
        inputs = {"attention_mask": mask}
        if use_margin:
            inputs["margin"] = torch.tensor(rm["margin"], dtype=torch.float64)
        loss = t.compute_loss(Scores(given), inputs)
        (grad,) = torch.autograd.grad(loss, given)
        logps_cases.append({"name": name, **options, "loss": loss.item(), "dL_dchosen": grad[:3].tolist(),
                            "dL_drejected": grad[3:].tolist(), "metrics": last(t._metrics)})
    write("reward.json", {
        "from_scores": {"chosen": GOLDEN["rm"]["chosen"], "rejected": GOLDEN["rm"]["rejected"],
                        "margin": GOLDEN["rm"]["margin"], "cases": logps_cases},
        "from_model": {"model": "llama/reward", "rows": rows, "margin": margin.tolist(), "chosen_scores": scores[:3].tolist(),
                       "rejected_scores": scores[3:].tolist(), "cases": model_cases}})
    return logps_cases


# ---------------------------------------------------------------- GRPO

def grpo_trainer(tmp, generations=4, rows=8, max_completion_length=8, rewards=None, micro_batches=1, **options):
    options.setdefault("use_bias_correction_kl", False)  # plain k3; a case that wants k3 * ratio says so
    g = torch.Generator().manual_seed(3)
    ds = Dataset.from_list([{"prompt": words(g, 4)} for _ in range(8)])
    args = common(tmp)
    args["per_device_train_batch_size"] = rows
    args["gradient_accumulation_steps"] = micro_batches
    funcs = rewards or [lambda prompts, **_: [0.0] * len(prompts)]
    return GRPOTrainer(model=model_of(OUT / "policy"), reward_funcs=funcs, train_dataset=ds, processing_class=tokenizer(),
                       args=GRPOConfig(num_generations=generations, steps_per_generation=micro_batches, temperature=1.0,
                                       max_completion_length=max_completion_length, **args, **options))


def advantages(tmp):
    """TRL's own advantage code, with reward functions that return recorded numbers."""
    nan = float("nan")
    tables = {
        "one": ([[1.0, 0.0, 2.0, 1.5, 0.25, 0.25, -1.0, 3.0]], None),
        "equal_group": ([[0.5, 0.5, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0]], None),
        "two_weighted": ([[1.0, 0.0, 2.0, 1.5, 0.25, 0.25, -1.0, 3.0], [0.0, 1.0, 1.0, 0.0, 5.0, 4.0, 4.5, 6.0]], [1.0, 0.5]),
        "golden": ([GOLDEN["grpo"]["rewards"] * 2], None),
        "unscored": ([[1.0, nan, 2.0, 1.5, nan, nan, -1.0, 3.0]], None),
    }
    out = []
    for name, (table, weights) in tables.items():
        for generations in (4, 2):
            for scale in ("group", "batch", "none"):
                funcs = []
                for k, column in enumerate(table):
                    def f(prompts, column=column, **_):
                        return [None if x != x else x for x in column]
                    f.__name__ = f"reward_{k}"
                    funcs.append(f)
                t = grpo_trainer(tmp, generations=generations, rewards=funcs, scale_rewards=scale,
                                 reward_weights=weights)
                t.model.train()
                batch = [{"prompt": "t5 t6 t7"} for _ in range(8 // generations) for _ in range(generations)]
                torch.manual_seed(0)
                res = t._generate_and_score_completions(batch)
                m = last(t._metrics)
                keep = ("reward", "reward_std", "frac_reward_zero_std")
                out.append({"name": name, "scale_rewards": scale, "num_generations": generations,
                            "rewards": [[None if x != x else x for x in c] for c in table],
                            "reward_weights": weights or [1.0] * len(table), "advantages": res["advantages"].tolist(),
                            "metrics": {k: v for k, v in m.items() if k in keep or k.startswith("rewards/")}})
    return out


GRPO_LOSSES = [
    ("grpo", {}), ("bnpo", {}), ("dr_grpo", {}), ("dapo", {}),
    ("grpo", dict(beta=0.04, use_bias_correction_kl=True)), ("grpo", dict(beta=0.04)), ("dapo", dict(beta=0.04)), ("dr_grpo", dict(beta=0.04)), ("bnpo", dict(beta=0.04)),
    ("grpo", dict(epsilon=0.2, epsilon_high=0.28, beta=0.04)), ("dapo", dict(epsilon=0.1, epsilon_high=0.3)),
    ("dapo", dict(importance_sampling_level="sequence", beta=0.04)), ("grpo", dict(importance_sampling_level="sequence")),
    ("grpo", dict(delta=1.5, epsilon=0.2)),
    ("cispo", dict(epsilon_high=5.0)), ("sapo", {}),
    ("luspo", dict(importance_sampling_level="sequence")), ("vespo", {}),
]


def case_name(kind, options):
    return "_".join([kind] + [f"{k}={v}" for k, v in options.items()])


def golden_grpo(tmp):
    """The grpo block of losses_golden.json through TRL's loss."""
    gr = GOLDEN["grpo"]
    mask = torch.tensor(gr["mask"])
    n, width = mask.shape
    base = dict(epsilon=gr["epsilon_low"], epsilon_high=gr["epsilon_high"], beta=gr["beta"])
    cases = [("grpo", {}), ("grpo", dict(use_bias_correction_kl=True)), ("bnpo", {}), ("dr_grpo", {}), ("dapo", {}), ("sapo", {}),
             ("cispo", dict(epsilon_high=5.0)),
             ("grpo", dict(importance_sampling_level="sequence")), ("luspo", dict(importance_sampling_level="sequence"))]
    out = []
    for kind, extra in cases:
        options = {**base, **extra}
        t = grpo_trainer(tmp, generations=2, rows=4, max_completion_length=gr["max_completion_length"], loss_type=kind, **options)
        t.model.train()
        t.current_gradient_accumulation_steps = 1
        new = torch.tensor(gr["new"], dtype=torch.float64, requires_grad=True)
        inputs = {"prompt_ids": torch.full((n, 1), 5), "prompt_mask": torch.ones(n, 1, dtype=torch.long),
                  "completion_ids": torch.full((n, width), 6), "completion_mask": mask,
                  "advantages": torch.tensor(gr["advantages"], dtype=torch.float64), "num_items_in_batch": mask.sum(),
                  "old_per_token_logps": torch.tensor(gr["old"], dtype=torch.float64),
                  "ref_per_token_logps": torch.tensor(gr["ref"], dtype=torch.float64)}
        loss = t._compute_loss(FromLogps(new), inputs)
        (grad,) = torch.autograd.grad(loss, new)
        out.append({"loss_type": kind, "options": options, "loss": loss.item(), "dL_dnew": grad.tolist(), "metrics": last(t._metrics)})
    return out


def grpo(tmp):
    g = torch.Generator().manual_seed(31)
    prompts = [torch.randint(3, VOCAB, (n,), generator=g).tolist() for n in (3, 5)]
    lengths = [6, 3, 8, 1, 5, 8, 2, 4]
    completions = [torch.randint(3, VOCAB, (n,), generator=g).tolist() for n in lengths]
    per_group, rows, width, pwidth = 4, 8, max(lengths), 5
    pids, pmask = torch.full((rows, pwidth), PAD), torch.zeros(rows, pwidth, dtype=torch.long)
    cids, cmask = torch.full((rows, width), PAD), torch.zeros(rows, width, dtype=torch.long)
    for i in range(rows):
        p, c = prompts[i // per_group], completions[i]
        pids[i, pwidth - len(p):], pmask[i, pwidth - len(p):] = torch.tensor(p), 1
        cids[i, :len(c)], cmask[i, :len(c)] = torch.tensor(c), 1
    policy, ref = model_of(OUT / "policy"), model_of(HERE / "llama" / "base")
    max_len = 16
    probe = grpo_trainer(tmp, max_completion_length=max_len)
    ids, mask = torch.cat([pids, cids], 1), torch.cat([pmask, cmask], 1)
    with torch.no_grad():
        new, entropies, _ = probe._get_per_token_logps_and_entropies(probe.model, ids, mask, width, compute_entropy=True)
        probe.model.load_state_dict(ref.state_dict())
        refl, _, _ = probe._get_per_token_logps_and_entropies(probe.model, ids, mask, width)
    new, refl, entropies = new * cmask, refl * cmask, entropies * cmask
    old = (new + 0.5 * torch.randn(new.shape, generator=g)) * cmask
    adv = torch.tensor([1.2, -0.7, 0.4, -0.9, -1.1, 0.8, 0.0, 0.3])
    cases, tensors = [], {}
    for kind, options in GRPO_LOSSES:
        t = grpo_trainer(tmp, max_completion_length=max_len, loss_type=kind, **options)
        t.model.train()
        t.current_gradient_accumulation_steps = 1
        inputs = {"prompt_ids": pids, "prompt_mask": pmask, "completion_ids": cids, "completion_mask": cmask, "advantages": adv,
                  "num_items_in_batch": cmask.sum(), "old_per_token_logps": old, "ref_per_token_logps": refl}
        t.model.zero_grad()
        loss = t.compute_loss(t.model, dict(inputs))
        loss.backward()
        name = case_name(kind, options)
        result = {"name": name, "loss_type": kind, "options": options, "epsilon_low": t.epsilon_low,
                  "epsilon_high": t.epsilon_high, "beta": t.beta, "loss": loss.item(), "metrics": last(t._metrics), **norms(t.model)}
        if name in ("grpo_beta=0.04", "dapo"):
            tensors.update({f"{name}.grad.{n}": x.contiguous() for n, x in grads_of(t.model).items()})
        given = new.double().requires_grad_(True)
        inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
        # the stand-in's rows must cover prompt and completion; TRL takes the last `width` columns
        pad = torch.zeros(rows, pwidth - 1, dtype=torch.float64)
        again = t._compute_loss(FromLogps(torch.cat([pad, given], 1)), inputs)
        (grad,) = torch.autograd.grad(again, given)
        last(t._metrics)
        result["loss_from_logps"] = again.item()
        result["dL_dlogps"] = grad.tolist()
        assert abs(again.item() - loss.item()) < 1e-5
        cases.append(result)
    # on the first update old is the policy itself: TRL detaches it, the ratio is 1 and carries the gradient
    t = grpo_trainer(tmp, max_completion_length=max_len, loss_type="dapo")
    t.model.train()
    t.current_gradient_accumulation_steps = 1
    loss = t.compute_loss(t.model, {"prompt_ids": pids, "prompt_mask": pmask, "completion_ids": cids, "completion_mask": cmask,
                                    "advantages": adv, "num_items_in_batch": cmask.sum()})
    loss.backward()
    first = {"loss_type": "dapo", "loss": loss.item(), **norms(t.model)}
    # one update as two micro-batches of four rows: what each loss type makes of the split
    accumulated = []
    for kind in ("grpo", "bnpo", "dr_grpo", "dapo"):
        t = grpo_trainer(tmp, rows=4, max_completion_length=max_len, loss_type=kind, beta=0.04, micro_batches=2)
        t.model.train()
        t.current_gradient_accumulation_steps = 2
        t.model.zero_grad()
        losses = []
        for half in (slice(0, 4), slice(4, 8)):
            loss = t.compute_loss(t.model, {
                "prompt_ids": pids[half], "prompt_mask": pmask[half], "completion_ids": cids[half], "completion_mask": cmask[half],
                "advantages": adv[half], "num_items_in_batch": cmask.sum(), "old_per_token_logps": old[half],
                "ref_per_token_logps": refl[half]})
            loss.backward()
            losses.append(loss.item())
        accumulated.append({"loss_type": kind, "beta": 0.04, "micro_batches": [[0, 1, 2, 3], [4, 5, 6, 7]], "losses": losses,
                            "loss_sum": sum(losses), **norms(t.model)})
    write("grpo.json", {
        "advantages": advantages(tmp),
        "golden": {"about": "inputs: block grpo of losses_golden.json", "cases": golden_grpo(tmp)},
        "from_model": {"policy": "trl/policy", "reference": "llama/base", "prompts": prompts, "completions": completions,
                       "group": [i // per_group for i in range(rows)], "lengths": lengths, "max_completion_length": max_len,
                       "advantages": adv.tolist(), "token_logps": new.tolist(), "old_token_logps": old.tolist(),
                       "ref_token_logps": refl.tolist(), "token_entropy": entropies.tolist(),
                       "completion_mask": cmask.tolist(), "num_items_in_batch": cmask.sum().item(), "cases": cases,
                       "accumulated": accumulated, "first_update_without_old": first}})
    save_file(tensors, OUT / "grpo_grads.safetensors")


# ---------------------------------------------------------------- comparison with losses_golden.json

def compare(dpo_cases, smoothing, reward_cases):
    """Every loss that both files hold: largest difference of value and gradient."""
    rows = []
    for c in dpo_cases:
        name = c["name"]
        if name == "sigmoid_sft":
            continue
        if name.startswith("f_"):
            per = GOLDEN["f_div_sigmoid"][name[2:]]
            expected, grads = sum(per) / len(per), None
        else:
            g = GOLDEN["paired_losses"][{"sigmoid_label_smoothing": "cdpo"}.get(name, name)]
            expected, grads = g["mean"], (g.get("dL_dchosen"), g.get("dL_drejected"))
        row = {"loss": name, "golden": expected, "trl": c["loss"], "difference": abs(expected - c["loss"])}
        if grads and grads[0]:
            n = len(GOLDEN["pairs"])  # the golden gradients are of the pair's own loss, TRL's of the mean
            pairs = zip(grads[0] + grads[1], c["dL_dchosen"] + c["dL_drejected"])
            row["gradient_difference"] = max(abs(a - n * b) for a, b in pairs)
        rows.append(row)
    got = smoothing[0]["per_pair"]
    rows.append({"loss": "cdpo (aot, one pair at a time)", "golden": GOLDEN["paired_losses"]["cdpo"]["mean"], "trl": sum(got) / len(got),
                 "difference": max(abs(a - b) for a, b in zip(got, GOLDEN["paired_losses"]["cdpo"]["per_pair"]))})
    rm = GOLDEN["rm"]
    by = {c["name"]: c["loss"] for c in reward_cases}
    for name, expected, got in (("reward bt", rm["bt"], by["plain"]), ("reward bt_margin", rm["bt_margin"], by["margin"]),
                                ("reward center_term_mean", rm["center_term_mean"], (by["centered"] - by["plain"]) / 0.01)):
        rows.append({"loss": name, "golden": expected, "trl": got, "difference": abs(expected - got)})
    gr = GOLDEN["grpo"]
    data = json.loads((OUT / "grpo.json").read_text())
    for c in data["golden"]["cases"]:
        seq = c["options"].get("importance_sampling_level") == "sequence"
        expected = gr["loss_sequence_level" if seq else "loss"][c["loss_type"]]
        bias = c["options"].get("use_bias_correction_kl", False)
        name = f"grpo {c['loss_type']}" + (" sequence" if seq else "") + (" use_bias_correction_kl" if bias else "") + (f" epsilon_high={c['options']['epsilon_high']}" if c["loss_type"] == "cispo" else "")
        rows.append({"loss": name, "golden": expected, "trl": c["loss"], "difference": abs(expected - c["loss"])})
        if c["loss_type"] == "grpo" and not seq and not bias:
            for key, metric in (("kl_k3_token_mean", "kl"), ("clip_ratio/low_mean",) * 2, ("clip_ratio/high_mean",) * 2):
                rows.append({"loss": "grpo metric " + metric, "golden": gr[key], "trl": c["metrics"][metric],
                             "difference": abs(gr[key] - c["metrics"][metric])})
    for r in rows:
        r["agrees"] = r["difference"] < 2e-6 and r.get("gradient_difference", 0.0) < 2e-6
    write("comparison.json", {"about": "losses_golden.json against TRL; golden values are rounded to 8 digits, gradients to 6",
                              "rows": rows})
    for r in rows:
        print("ok  " if r["agrees"] else "DIFF", r["loss"], r["golden"], r["trl"], r.get("gradient_difference"))


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    make_policy()
    with tempfile.TemporaryDirectory() as tmp:
        d, smoothing = dpo(tmp)
        r = reward(tmp)
        grpo(tmp)
    compare(d, smoothing, r)
