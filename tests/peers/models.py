# SPDX-License-Identifier: Apache-2.0
"""What PairLab writes, opened by transformers and PEFT: models of every family and option written back, PEFT's adapters merged,
and adapters that PairLab trained.

Run:   python -m venv v && v/bin/pip install torch==2.13.0 transformers==5.23.0 peft==0.19.1 safetensors==0.8.0 numpy==2.4.6
       v/bin/python tests/peers/models.py build
Every line is a largest difference of logits; the exit code is 1 when one is above its bound. CPU, fp32, no network.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import AutoPeftModelForCausalLM, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
BOUND = 1e-4
worst = 0.0


def program(name, *arguments):
    done = subprocess.run([BUILD / "bin" / name, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def causal(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model, tensors):
    mask = tensors["attention_mask"]
    with torch.no_grad():
        return model(input_ids=tensors["input_ids"], attention_mask=mask).logits * mask[..., None]


def report(what, difference):
    global worst
    worst = max(worst, difference)
    print(f"{what:60s} {difference:.2e}{'' if difference <= BOUND else '   ABOVE THE BOUND'}", flush=True)


def written_back(out):
    for folder in sorted((GOLDEN / "families").iterdir()):
        program("pairlab-worker", "merge", folder, "--out", out / folder.name)
        model, info = AutoModelForCausalLM.from_pretrained(out / folder.name, dtype=torch.float32, attn_implementation="eager",
                                                           output_loading_info=True)
        left = {key: value for key, value in info.items() if value and key != "conversion_errors"}
        if left:
            raise SystemExit(f"{folder.name}: transformers says {left}")
        expected = load_file(folder / "expected.safetensors")
        report(f"{folder.name}, written back", (logits(model.eval(), expected) - expected["logits"]).abs().max().item())


def merged(out):
    for folder in sorted((GOLDEN / "adapters").iterdir()):
        base = GOLDEN / "families" / json.loads((folder / "expected.json").read_text())["model"]
        program("pairlab-worker", "merge", base, "--adapter", folder, "--out", out / folder.name)
        expected = load_file(folder / "expected.safetensors")
        report(f"{folder.name} of PEFT, merged", (logits(causal(out / folder.name), expected) - expected["on"]).abs().max().item())


def trained(out):
    """Two short runs with adapters: the start model with PEFT's view of the adapter is the checkpoint."""
    lab = out / "lab"
    program("pairlab-cli", "new", lab, "--starter")
    program("pairlab-cli", "label", lab, "--simulate", "concise", "--count", 60, "--seed", 1)
    start = lab / "models" / "start"
    for plugin, rows in (("dpo", "*"), ("reward_model", "q_proj, v_proj")):
        program("pairlab-cli", "train", lab, "--plugin", plugin, "--seed", 1, "--set", "adapter_rank=4", "--set", f"adapter_targets={rows}",
                "--set", "adapter_rslora=true", "--set", "steps=6", "--set", "learning_rate=0.005", "--wait")
        checkpoint = next((lab / "runs").glob(f"*-{plugin}")) / "checkpoints" / "step-000006"
        ids = torch.randint(5, 1000, (2, 20), generator=torch.Generator().manual_seed(1))
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if plugin == "reward_model":
            load = lambda folder: AutoModelForSequenceClassification.from_pretrained(  # noqa: E731
                folder, dtype=torch.float32, num_labels=1, attn_implementation="eager").eval()
        else:
            load = causal
        base, whole = load(start), load(checkpoint)
        adapted = PeftModel.from_pretrained(base, checkpoint / "adapter").eval()
        with torch.no_grad():
            a, b = adapted(**batch).logits, whole(**batch).logits
        report(f"{plugin}: adapter in PEFT against the checkpoint", (a - b).abs().max().item())
        if plugin == "dpo":
            with adapted.disable_adapter(), torch.no_grad():
                moved = (adapted(**batch).logits - b).abs().max().item()
            if moved < 1e-3:
                raise SystemExit("the adapter does nothing")
            # The adapter's folder alone, as it is: adapter_config.json says where the model below it lies.
            alone = AutoPeftModelForCausalLM.from_pretrained(checkpoint / "adapter", dtype=torch.float32, attn_implementation="eager").eval()
            with torch.no_grad():
                report("dpo: AutoPeftModel of the adapter's folder", (alone(**batch).logits - b).abs().max().item())


def brought(out):
    """Adapters by themselves, PEFT's and our own, as a model of a project: merged when they are loaded, and trained from."""
    lab = out / "lab"
    start = lab / "models" / "start"
    torch.manual_seed(3)
    theirs = get_peft_model(causal(start), LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in theirs.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    theirs.save_pretrained(out / "theirs")
    ours = next((lab / "runs").glob("*-dpo")) / "checkpoints" / "step-000006"
    ids = torch.randint(5, 1000, (2, 20), generator=torch.Generator().manual_seed(2))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    for name, folder, whole in (("theirs", out / "theirs", theirs.eval()), ("ours", ours / "adapter", causal(ours))):
        program("pairlab-cli", "models", "add", lab, folder, "--name", name)
        program("pairlab-worker", "merge", lab / "models" / name, "--out", out / f"{name}-merged")
        with torch.no_grad():
            difference = (causal(out / f"{name}-merged")(**batch).logits - whole(**batch).logits).abs().max().item()
        report(f"{name}: an adapter alone, added to the project", difference)
    for model in ("theirs", out / "theirs"):
        program("pairlab-cli", "train", lab, "--plugin", "dpo", "--model", model, "--seed", 2, "--set", "steps=1", "--wait")
        program("pairlab-cli", "generate", lab, "--model", model, "--split", "train", "--limit", 4, "--n", 1, "--no-pairs", "--wait")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        (out / "families").mkdir()
        (out / "adapters").mkdir()
        written_back(out / "families")
        merged(out / "adapters")
        trained(out)
        brought(out)
    sys.exit(0 if worst <= BOUND else 1)
