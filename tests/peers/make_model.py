# SPDX-License-Identifier: Apache-2.0
"""make_model.py FOLDER CONFIG.json KIND SEED: a Llama with random weights as transformers draws them; KIND causal or reward."""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

folder, config, kind, seed = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8")), sys.argv[3], int(sys.argv[4])
torch.manual_seed(seed)
config = LlamaConfig(**config, **({"num_labels": 1} if kind == "reward" else {}))
model = (LlamaForSequenceClassification if kind == "reward" else LlamaForCausalLM)(config).float()
model.save_pretrained(folder)
