# SPDX-License-Identifier: Apache-2.0
"""trl_dpo.py MODEL ROWS STEPS BATCH THREADS SEED: TRL's DPOTrainer on the rows, timed from step to step. Started by run."""
import json
import logging
import os
import statistics
import sys
import time
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer

model_dir, rows_file, steps, batch, threads, seed = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
torch.set_num_threads(threads)
tokenizer = AutoTokenizer.from_pretrained(model_dir)
rows = []
for line in open(rows_file, encoding="utf-8"):
    row = json.loads(line)
    rows.append({"prompt": [{"role": "user", "content": row["prompt"]}],
                 "chosen": [{"role": "assistant", "content": row["chosen"]}],
                 "rejected": [{"role": "assistant", "content": row["rejected"]}]})


class Clock(TrainerCallback):
    """Seconds from the beginning of each step to its end."""

    def __init__(self):
        self.seconds, self.begin = [], 0.0

    def on_step_begin(self, *_, **__):
        self.begin = time.perf_counter()

    def on_step_end(self, *_, **__):
        self.seconds.append(time.perf_counter() - self.begin)


class Counting(DPOTrainer):
    """Counts the tokens of each batch, padding left out."""

    counts, losses = [], []

    def compute_loss(self, model, inputs, *args, **kwargs):
        mask = [v for k, v in inputs.items() if k.endswith("attention_mask")]
        self.counts.append(int(sum(m.sum() for m in mask)))
        out = super().compute_loss(model, inputs, *args, **kwargs)
        self.losses.append(float(out[0] if isinstance(out, tuple) else out))
        return out


clock = Clock()
config = DPOConfig(output_dir="trl", max_steps=steps, per_device_train_batch_size=batch, learning_rate=2e-4, warmup_steps=max(1, steps // 10),
                   lr_scheduler_type="linear", beta=0.1, precompute_ref_log_probs=True, report_to=[], save_strategy="no",
                   logging_steps=10**6, use_cpu=True, bf16=False, fp16=False, gradient_checkpointing=False, max_length=512, seed=seed,
                   disable_tqdm=True, dataloader_pin_memory=False)
trainer = Counting(model=AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32), args=config,
                   train_dataset=Dataset.from_list(rows), processing_class=tokenizer, callbacks=[clock])
trainer.train()
rates = [n / s for n, s in zip(Counting.counts[-len(clock.seconds):], clock.seconds)]
print(json.dumps({"tokens_per_second": statistics.median(rates[2:]),
                  "pairs_per_second": statistics.median(batch / s for s in clock.seconds[2:]),
                  "tokens_per_step": statistics.mean(Counting.counts[-len(clock.seconds):]), "first_loss": Counting.losses[0], "steps": len(rates),
                  "tokens": sum(Counting.counts)}))
