# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/peft: low-rank adapters on a linear map and on convolutions, computed and saved by PEFT.

Run:   python -m venv v && v/bin/pip install torch==2.13.0 peft==0.19.1
       v/bin/python tests/golden/make_peft.py
Python 3.11, CPU, fp32, one thread, no network, no downloads. Keys: README.md beside this file.
"""
import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

torch.set_num_threads(1)
OUT = pathlib.Path(__file__).resolve().parent / "peft"
RANK, ALPHA = 3, 5


class Net(torch.nn.Module):
    """Three layers that are called one by one: what the adapter does to each is what is written."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(7, 5)
        self.conv = torch.nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.point = torch.nn.Conv2d(6, 5, 1)

    def forward(self, x):
        return x


def main():
    torch.manual_seed(11)
    net = Net()
    tensors = {f"base.{name}": value.detach().clone() for name, value in net.named_parameters()}
    model = get_peft_model(net, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["linear", "conv", "point"]))
    layers = model.base_model.model
    inputs = {"linear": torch.randn(2, 3, 7), "conv": torch.randn(2, 4, 8, 8), "point": torch.randn(2, 6, 4, 4)}
    with torch.no_grad():
        bounds = {name: getattr(layers, name).lora_A["default"].weight.abs().max().item() for name in inputs}
        for name, parameter in model.named_parameters():
            if "lora_B" in name:  # 0 at first, which would show nothing
                parameter.copy_(torch.randn_like(parameter) * 0.3)
        for name, x in inputs.items():
            layer = getattr(layers, name)
            tensors[f"{name}.x"] = x
            tensors[f"{name}.y"] = layer(x)
            tensors[f"{name}.merged"] = layer.get_base_layer().weight + layer.get_delta_weight("default")
            with model.disable_adapter():
                tensors[f"{name}.off"] = layer(x)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    model.save_pretrained(OUT / "adapter")
    (OUT / "adapter" / "README.md").unlink()
    config = OUT / "adapter" / "adapter_config.json"
    settings = json.loads(config.read_text())
    settings["target_modules"].sort()  # written from a set: in another order every time
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    save_file({name: value.contiguous() for name, value in tensors.items()}, OUT / "expected.safetensors")
    (OUT / "expected.json").write_text(json.dumps({"torch": torch.__version__, "peft": peft.__version__,
                                                   "largest_a_at_first": bounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
