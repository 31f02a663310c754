# SPDX-License-Identifier: Apache-2.0
"""trl_side.py JOB.json: TRL's trainer on rows made by common.py, in their order. Prints one JSON line.

JOB: method (reward | dpo | grpo), model, reference (dpo; none: the model itself), rows [{prompt, chosen, rejected}] or [{prompt}],
order [[row index]] a step (grpo: a generation), steps, batch (rows a step), reward (grpo: concise | low_ids), options (of TRL's config), learning_rate, warmup_steps, max_grad_norm, threads, record. Prompts are
given as the text of their chat template, because a conversation would get a line end after its last turn that PairLab does not
write. `record` keeps ids, losses and gradient norms of every step; without it only what costs nothing is kept.
"""
import json
import logging
import math
import os
import re
import sys
import time
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
warnings.filterwarnings("ignore")

import torch

job = json.load(open(sys.argv[1], encoding="utf-8"))
torch.set_num_threads(job["threads"])

import datasets
from datasets import Dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

logging.disable(logging.WARNING)
datasets.disable_progress_bars()
method = job["method"]
rows = [job["rows"][i] for batch in job["order"] for i in batch]


class Clock(TrainerCallback):
    """When each step ended, with the processor time used until then, and the gradient norms that were logged."""

    def __init__(self):
        self.ends, self.used, self.norms = [], [], []

    def on_step_end(self, *_, **__):
        self.ends.append(time.time())
        self.used.append(time.process_time())

    def on_log(self, args, state, control, logs=None, **__):
        if logs and "grad_norm" in logs:
            self.norms.append(float(logs["grad_norm"]))


clock = Clock()
losses, answers, counts = [], [], []


def common():
    record = job["record"]
    return {"output_dir": job["scratch"], "max_steps": job["steps"], "per_device_train_batch_size": job["batch"], "use_cpu": True, "bf16": False,
            "fp16": False, "learning_rate": job["learning_rate"], "warmup_steps": job["warmup_steps"], "lr_scheduler_type": "linear",
            "max_grad_norm": job["max_grad_norm"], "weight_decay": 0.0, "report_to": [], "save_strategy": "no", "disable_tqdm": True,
            "logging_strategy": "steps", "logging_steps": 1 if record else 10**6, "dataloader_pin_memory": False, "seed": 42,
            **job["options"]}


def kept(base):
    """The trainer, in the order of the rows, with its losses kept as tensors (no host sync is added)."""

    class Kept(base):
        def _get_train_sampler(self, *args, **kwargs):
            return SequentialSampler(self.train_dataset)

        def compute_loss(self, model, inputs, *args, **kwargs):
            out = super().compute_loss(model, inputs, *args, **kwargs)
            losses.append((out[0] if isinstance(out, tuple) else out).detach())
            masks = [v for k, v in inputs.items() if k.endswith("attention_mask")]
            counts.append(sum(m.sum() for m in masks))
            return out

    return Kept


def load(folder, cls=AutoModelForCausalLM, **more):
    return cls.from_pretrained(folder, dtype=torch.float32, **more)


tokenizer = AutoTokenizer.from_pretrained(job["model"])
if method == "dpo":
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(max_length=None, **common())
    reference = None if config.precompute_ref_log_probs and not job.get("reference") else load(job.get("reference") or job["model"])
    trainer = kept(DPOTrainer)(model=load(job["model"]), ref_model=reference, args=config, train_dataset=Dataset.from_list(rows),
                               processing_class=tokenizer, callbacks=[clock])
elif method == "reward":
    from trl import RewardConfig, RewardTrainer

    both = [{"chosen": r["prompt"] + r["chosen"], "rejected": r["prompt"] + r["rejected"]} for r in rows]
    trainer = kept(RewardTrainer)(model=load(job["model"], AutoModelForSequenceClassification, num_labels=1),
                                  args=RewardConfig(max_length=None, **common()), train_dataset=Dataset.from_list(both),
                                  processing_class=tokenizer, callbacks=[clock])
else:
    from trl import GRPOConfig, GRPOTrainer

    rewards = []

    def reward(completions, completion_ids, **_):
        if job["reward"] == "concise":  # core/rules/taste.cpp
            words = [len(re.findall(r"[A-Za-z0-9']+", text)) for text in completions]
            out = [-3 * math.log(n) if n >= 3 else -20.0 for n in words]
        else:  # the share of ids in the lower half of the vocabulary
            out = [sum(2 * i < len(tokenizer) for i in ids) / len(ids) for ids in completion_ids]
        rewards.append(out)
        return out

    class Recorded(GRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            out = super()._generate_and_score_completions(inputs)
            if job["record"]:
                for i, row in enumerate(inputs):
                    ids = out["completion_ids"][i][out["completion_mask"][i].bool()].tolist()
                    prompt = out["prompt_ids"][i][out["prompt_mask"][i].bool()].tolist()
                    answers.append({"prompt": row["index"], "prompt_ids": prompt, "ids": ids, "finished": ids[-1] == tokenizer.eos_token_id,
                                    "reward": rewards[-1][i]})
            return out

        def compute_loss(self, model, inputs, *args, **kwargs):
            out = super().compute_loss(model, inputs, *args, **kwargs)
            losses.append(out.detach())
            counts.append(inputs["prompt_mask"].sum() + inputs["completion_mask"].sum())
            return out

    prompts = [{"prompt": r["prompt"], "index": i} for i, r in enumerate(job["rows"])]
    repeated = [prompts[i] for batch in job["order"] for i in batch]
    config = GRPOConfig(shuffle_dataset=False, **common())
    trainer = Recorded(model=load(job["model"]), reward_funcs=reward, args=config, train_dataset=Dataset.from_list(repeated),
                       processing_class=tokenizer, callbacks=[clock])

trainer.train()
out = {"ends": clock.ends, "used": clock.used, "losses": [float(x) for x in losses], "tokens": [int(n) for n in counts], "grad_norms": clock.norms}
if method == "grpo":
    out["rewards"] = [sum(r) / len(r) for r in rewards]
    out["answers"] = answers
elif job["record"]:
    data, seen = trainer.train_dataset, {}
    for at, index in enumerate(i for batch in job["order"] for i in batch):
        if index not in seen:
            seen[index] = {k: data[at][k] for k in ("prompt_ids", "chosen_ids", "rejected_ids", "chosen_input_ids", "rejected_input_ids")
                           if k in data[at]}
    out["ids"] = [seen[i] for i in sorted(seen)]
print(json.dumps(out))
