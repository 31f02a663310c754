# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/diffusers: noise schedules and sampler steps computed by diffusers, and step log-probabilities by the
released formulas of DDPO, Flow-GRPO, Flow-CPS and DanceGRPO.

Run:   python -m venv v && v/bin/pip install torch==2.13.0 diffusers==0.42.1 numpy==2.4.6
       v/bin/python tests/golden/make_diffusers.py
Python 3.11, CPU, fp32, one thread, no network, no downloads. Keys: README.md beside this file.

The four formulas are written out below and not imported: they live in training repositories and not in packages.
"""
import json
import math
import os
import pathlib

os.environ["HF_HUB_OFFLINE"] = "1"

import diffusers
import numpy
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "diffusers"
VERSIONS = {"torch": torch.__version__, "diffusers": diffusers.__version__, "numpy": numpy.__version__}
SHAPE = (2, 3, 2, 3)
SD15 = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}


def normal(seed):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def flat(tensor):
    return [float(f"{float(v):.9g}") for v in tensor.flatten()]


def write(name, value):
    """One case a line."""
    lines = [f" {json.dumps(key)}: " + ("[\n  " + ",\n  ".join(map(json.dumps, entry)) + "]" if isinstance(entry, list)
                                        else json.dumps(entry)) for key, entry in {"versions": VERSIONS, **value}.items()]
    (OUT / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def schedules():
    at = [0, 1, 2, 10, 100, 250, 500, 750, 998, 999]
    bars = []
    for config in (SD15, {**SD15, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}):
        table = DDIMScheduler(**config).alphas_cumprod
        bars.append({"schedule": config["beta_schedule"], "beta_start": config["beta_start"], "beta_end": config["beta_end"],
                     "timesteps": at, "alpha_bars": [float(table[t]) for t in at]})
    spacings = []
    for spacing in ("leading", "trailing", "linspace"):
        for steps in (1, 3, 7, 20, 50):
            scheduler = DDIMScheduler(**{**SD15, "timestep_spacing": spacing})
            scheduler.set_timesteps(steps)
            spacings.append({"spacing": spacing, "steps": steps, "offset": 1, "timesteps": scheduler.timesteps.tolist()})
    sigmas = []
    for shift in (1.0, 3.0):
        for steps in (1, 8, 28):
            scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
            scheduler.set_timesteps(steps)
            sigmas.append({"form": "trained", "shift": shift, "steps": steps, "sigmas": flat(scheduler.sigmas)})
            scheduler.set_timesteps(sigmas=numpy.linspace(1.0, 1 / steps, steps))
            sigmas.append({"form": "equal", "shift": shift, "steps": steps, "sigmas": flat(scheduler.sigmas)})
    for mu in (0.5, 1.15):
        scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
        scheduler.set_timesteps(sigmas=numpy.linspace(1.0, 1 / 8, 8), mu=mu)
        sigmas.append({"form": "exponential", "mu": mu, "steps": 8, "sigmas": flat(scheduler.sigmas)})
    write("schedules.json", {"alpha_bars": bars, "timesteps": spacings, "sigmas": sigmas})


def ddim_log_prob(scheduler, prediction, timestep, sample, eta, next_sample):
    """kvablack/ddpo-pytorch, ddpo_pytorch/diffusers_patch/ddim_with_logprob.py (arXiv 2305.13301), one timestep."""
    previous = max(timestep - scheduler.config.num_train_timesteps // scheduler.num_inference_steps, 0)
    a, b = scheduler.alphas_cumprod[timestep], scheduler.alphas_cumprod[previous]
    x0 = (sample - (1 - a) ** 0.5 * prediction) / a ** 0.5
    std = eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
    mean = b ** 0.5 * x0 + (1 - b - std ** 2) ** 0.5 * prediction
    return gaussian_log_prob(next_sample, mean, std)


def gaussian_log_prob(next_sample, mean, std):
    log_prob = (-((next_sample.detach() - mean) ** 2) / (2 * std ** 2) - torch.log(std)
                - torch.log(torch.sqrt(2 * torch.as_tensor(math.pi))))
    return log_prob.mean(dim=tuple(range(1, log_prob.ndim)))


def ddim():
    cases = []
    for prediction_type in ("epsilon", "v_prediction"):
        for alpha_one in (False, True):
            for eta in (0.0, 1.0):
                scheduler = DDIMScheduler(**{**SD15, "prediction_type": prediction_type, "set_alpha_to_one": alpha_one})
                scheduler.set_timesteps(20)
                for index in (0, 9, 18, 19):
                    seed = len(cases) * 3
                    x, prediction, noise = normal(seed), normal(seed + 1), normal(seed + 2)
                    timestep = int(scheduler.timesteps[index])
                    out = scheduler.step(prediction, timestep, x, eta=eta, variance_noise=noise if eta > 0 else None)
                    case = {"prediction_type": prediction_type, "set_alpha_to_one": alpha_one, "eta": eta, "steps": 20,
                            "index": index, "timestep": timestep, "x": flat(x), "prediction": flat(prediction),
                            "noise": flat(noise), "next": flat(out.prev_sample), "x0": flat(out.pred_original_sample)}
                    # Only here do both programs agree on where the last step arrives, and is there a deviation to divide by.
                    if eta > 0 and prediction_type == "epsilon" and not alpha_one and index < 19:
                        case["logp"] = flat(ddim_log_prob(scheduler, prediction, timestep, x, eta, out.prev_sample))
                    cases.append(case)
    write("ddim.json", {"shape": SHAPE, "cases": cases})


def flow_euler():
    cases = []
    for shift in (1.0, 3.0):
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        scheduler.set_timesteps(sigmas=numpy.linspace(1.0, 1 / 8, 8))
        x = normal(1000 + int(shift))
        for index, timestep in enumerate(scheduler.timesteps):
            v = normal(1100 + 10 * int(shift) + index)
            after = scheduler.step(v, timestep, x).prev_sample
            cases.append({"shift": shift, "steps": 8, "index": index, "x": flat(x), "prediction": flat(v), "next": flat(after)})
            x = after
    return cases


def flow_sde(sigmas, i, v, x, noise, level):
    """yifan123/flow_grpo, flow_grpo/diffusers_patch/sd3_sde_with_logprob.py (arXiv 2505.05470)."""
    sigma, after, second = sigmas[i], sigmas[i + 1], sigmas[1]
    dt = after - sigma
    std = torch.sqrt(sigma / (1 - torch.where(sigma == 1, second, sigma))) * level
    mean = x * (1 + std ** 2 / (2 * sigma) * dt) + v * (1 + std ** 2 * (1 - sigma) / (2 * sigma)) * dt
    scale = std * torch.sqrt(-1 * dt)
    return mean, scale, mean + scale * noise


def cps(sigmas, i, v, x, noise, level):
    """arXiv 2509.05952 (Flow-CPS): std = sigma' sin(a pi/2), mean = (1-sigma') x0 + sqrt(sigma'^2 - std^2) x1."""
    sigma, after = sigmas[i], sigmas[i + 1]
    scale = after * math.sin(level * math.pi / 2)
    x0, x1 = x - sigma * v, x + v * (1 - sigma)
    mean = x0 * (1 - after) + x1 * torch.sqrt(after ** 2 - scale ** 2)
    return mean, scale, mean + scale * noise


def dance(sigmas, i, v, x, noise, level):
    """XueZeyue/DanceGRPO, fastvideo/train_grpo_flux.py, flux_step (arXiv 2505.07818)."""
    sigma, after = sigmas[i], sigmas[i + 1]
    d = after - sigma
    x0 = x - sigma * v
    score = -(x - x0 * (1 - sigma)) / sigma ** 2
    mean = x + d * v - 0.5 * level ** 2 * score * d
    scale = level * torch.sqrt(-d)
    return mean, scale, mean + scale * noise


def flow():
    cases = []
    for name, function, level in (("flow_sde", flow_sde, 0.7), ("cps", cps, 0.8), ("dance_sde", dance, 0.3)):
        for shift in (1.0, 3.0):
            scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
            scheduler.set_timesteps(sigmas=numpy.linspace(1.0, 1 / 10, 10))
            for index in (0, 1, 5, 8, 9):
                if name == "cps" and index == 9:
                    continue  # draws nothing there
                seed = 2000 + len(cases) * 3
                x, v, noise = normal(seed), normal(seed + 1), normal(seed + 2)
                mean, scale, after = function(scheduler.sigmas, index, v, x, noise, level)
                cases.append({"sampler": name, "noise_level": level, "shift": shift, "steps": 10, "index": index, "x": flat(x),
                              "prediction": flat(v), "noise": flat(noise), "mean": flat(mean), "std": float(scale),
                              "next": flat(after), "logp": flat(gaussian_log_prob(after, mean, scale))})
    write("flow.json", {"shape": SHAPE, "euler": flow_euler(), "cases": cases})


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    schedules()
    ddim()
    flow()
