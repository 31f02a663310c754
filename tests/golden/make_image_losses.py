# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/image_losses/losses.json: the released formulas of image preference learning, in double precision.

Run:   ~/.cache/pairlab/torch-2.13.0/bin/python tests/golden/make_image_losses.py
Python 3.11, torch 2.13.0, numpy 2.4.6, CPU, one thread, no network. Keys: README.md beside this file.

Formulas as the released programs compute them (a mean over elements inside, a mean over the batch outside):
  dpo    SalesforceAIResearch/DiffusionDPO train.py; hinge and ipo of diffusers' diffusion_dpo example with the 1/2 kept
  nft    NVlabs/DiffusionNFT scripts/train_nft_sd3.py
  sde, ratio, kl, advantages    yifan123/flow_grpo sd3_sde_with_logprob.py, train_sd3.py, stat_tracking.py
"""
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(20)


def draw(*shape, scale=1.0):
    """Rounded, so that the JSON text holds exactly what was computed with."""
    return torch.tensor(np.round(rng.standard_normal(shape) * scale, 4))


def plain(x):
    return x.detach().tolist() if isinstance(x, torch.Tensor) else x


def mse(pred, target):
    return F.mse_loss(pred, target, reduction="none").mean(dim=[1, 2, 3])


def dpo_case(kind, beta):
    """A batch as the released code lays it out: winners first, then losers, the same noise for both."""
    n, shape = 3, (2, 4, 4)
    noise = draw(n, *shape).repeat(2, 1, 1, 1)
    images = draw(2 * n, *shape)
    target = noise if kind == "epsilon" else noise - images
    pred = (target + draw(2 * n, *shape, scale=0.2)).requires_grad_(True)
    ref = target + draw(2 * n, *shape, scale=0.2)
    losses, ref_losses = mse(pred, target), mse(ref, target)
    w, l = losses.chunk(2)
    rw, rl = ref_losses.chunk(2)
    out = {"kind": kind, "beta": beta, "target": plain(target), "pred": plain(pred), "ref": plain(ref),
           "errors": {"chosen": plain(w), "rejected": plain(l), "ref_chosen": plain(rw), "ref_rejected": plain(rl)}}
    inside = -0.5 * beta * ((w - l) - (rw - rl))
    per_pair = {"sigmoid": -F.logsigmoid(inside), "hinge": torch.relu(1 - inside),
                "ipo": beta**2 * (inside / beta - 1 / (2 * beta)) ** 2}
    out["inside_term"] = plain(inside)
    out["implicit_acc"] = plain((inside > 0).double().mean())
    out["loss"] = {name: plain(value) for name, value in per_pair.items()}
    out["gradient"] = {name: plain(torch.autograd.grad(value.mean(), pred, retain_graph=True)[0])
                       for name, value in per_pair.items()}
    return out


def nft_case(beta, adv_max, kl_weight):
    n, shape = 4, (2, 4, 4)
    x0, noise = draw(n, *shape), draw(n, *shape)
    t = torch.tensor([0.1, 0.35, 0.7, 0.95]).view(-1, 1, 1, 1)
    xt = (1 - t) * x0 + t * noise
    old = noise - x0 + draw(n, *shape, scale=0.3)
    ref = noise - x0 + draw(n, *shape, scale=0.3)
    v = (old + draw(n, *shape, scale=0.1)).requires_grad_(True)
    adv = torch.tensor([-6.0, -0.5, 0.0, 2.0])
    adv = torch.clamp(adv, -adv_max, adv_max)
    r = torch.clamp((adv / adv_max) / 2.0 + 0.5, 0, 1)
    positive_prediction = beta * v + (1 - beta) * old
    negative_prediction = (1.0 + beta) * old - beta * v
    dims = (1, 2, 3)

    def normalised(prediction):
        x0_prediction = xt - t * prediction
        weight = torch.abs(x0_prediction.double() - x0.double()).mean(dim=dims, keepdim=True).clip(min=1e-5).detach()
        return ((x0_prediction - x0) ** 2 / weight).mean(dim=dims)

    policy = (r * normalised(positive_prediction) / beta + (1.0 - r) * normalised(negative_prediction) / beta) * adv_max
    kl = ((v - ref) ** 2).mean(dim=dims)
    total = policy + kl_weight * kl
    return {"beta": beta, "adv_max": adv_max, "kl_weight": kl_weight, "x0": plain(x0), "xt": plain(xt),
            "t": plain(t.flatten()), "advantages": plain(adv), "r": plain(r), "v": plain(v), "old": plain(old),
            "ref": plain(ref), "policy_loss": plain(policy), "kl": plain(kl),
            "old_kl": plain(((v - old) ** 2).mean(dim=dims)), "total": plain(total),
            "gradient": plain(torch.autograd.grad(total.mean(), v)[0])}


def sde_case(noise_level):
    sigmas = [1.0, 0.9, 0.7, 0.4, 0.1, 0.0]
    n, shape = 2, (2, 4, 4)
    steps = []
    for i, (sigma, after) in enumerate(zip(sigmas[:-1], sigmas[1:])):
        x, next_x = draw(n, *shape), draw(n, *shape)
        v = draw(n, *shape).requires_grad_(True)
        ref = v.detach() + draw(n, *shape, scale=0.1)
        dt = after - sigma
        std = math.sqrt(sigma / (1 - (sigmas[1] if sigma == 1 else sigma))) * noise_level

        def mean(velocity):
            return x * (1 + std**2 / (2 * sigma) * dt) + velocity * (1 + std**2 * (1 - sigma) / (2 * sigma)) * dt

        deviation = std * math.sqrt(-dt)
        log_prob = (-((next_x - mean(v)) ** 2) / (2 * deviation**2) - math.log(deviation)
                    - math.log(math.sqrt(2 * math.pi))).mean(dim=(1, 2, 3))
        kl = ((mean(v) - mean(ref)) ** 2).mean(dim=(1, 2, 3)) / (2 * deviation**2)
        steps.append({"i": i, "x": plain(x), "next": plain(next_x), "v": plain(v), "ref": plain(ref),
                      "mean": plain(mean(v)), "std": deviation, "log_prob": plain(log_prob), "kl": plain(kl),
                      "gradient": plain(torch.autograd.grad(log_prob.sum(), v)[0])})
    return {"noise_level": noise_level, "sigmas": sigmas, "steps": steps}


def ratio_case(clip_range):
    new = torch.tensor([-1.0, -1.2, -0.9999, -1.00005, -0.8, -1.0], requires_grad=True)
    old = torch.tensor([-1.0, -1.0, -1.0, -1.0, -1.0, -1.3])
    advantages = torch.clamp(torch.tensor([0.5, 1.0, -2.0, 7.0, 1.5, -1.0]), -5, 5)
    ratio = torch.exp(new - old)
    unclipped = -advantages * ratio
    clipped = -advantages * torch.clamp(ratio, 1.0 - clip_range, 1.0 + clip_range)
    loss = torch.maximum(unclipped, clipped)
    return {"clip_range": clip_range, "new": plain(new), "old": plain(old), "advantages": plain(advantages),
            "ratio": plain(ratio), "loss": plain(loss), "gradient": plain(torch.autograd.grad(loss.mean(), new)[0]),
            "approx_kl": plain(0.5 * torch.mean((new - old) ** 2)),
            "clipfrac_gt_one": plain((ratio - 1.0 > clip_range).double().mean()),
            "clipfrac_lt_one": plain((1.0 - ratio > clip_range).double().mean())}


def advantage_case(global_std):
    groups = np.array([[0.1, 0.5, 0.4, 0.9], [0.3, 0.3, 0.3, 0.3], [-2.0, 3.0, 0.0, 0.5]])
    out = np.empty_like(groups)
    for i, group in enumerate(groups):
        std = (np.std(groups) if global_std else np.std(group)) + 1e-4
        out[i] = (group - np.mean(group)) / std
    return {"global_std": global_std, "group_size": 4, "rewards": groups.flatten().tolist(),
            "advantages": out.flatten().tolist(), "zero_std_ratio": float(np.mean([np.std(g) < 1e-12 for g in groups]))}


def win_rate_case():
    """Pref-GRPO: every pair of a group is judged; win 1, tie 1/2; divided by the comparisons of each image."""
    scores = [0.2, 1.5, 1.5, -0.3, 0.9]
    wins = [0.0] * len(scores)
    for i in range(len(scores)):
        for j in range(i + 1, len(scores)):
            if scores[i] == scores[j]:
                wins[i] += 0.5
                wins[j] += 0.5
            else:
                wins[i if scores[i] > scores[j] else j] += 1
    return {"scores": scores, "win_rates": [w / (len(scores) - 1) for w in wins]}


def main():
    data = {"versions": {"torch": torch.__version__, "numpy": np.__version__},
            "dpo": [dpo_case("epsilon", 5.0), dpo_case("flow", 40.0)],
            "nft": [nft_case(1.0, 5.0, 1e-4), nft_case(0.1, 2.0, 0.01)],
            "sde": [sde_case(0.7)], "ratio": [ratio_case(1e-4), ratio_case(0.15)],
            "advantages": [advantage_case(True), advantage_case(False)], "win_rates": [win_rate_case()]}
    out = HERE / "image_losses"
    out.mkdir(exist_ok=True)
    (out / "losses.json").write_text(json.dumps(data, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
