#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes statistics.json: what published packages say of random and of textbook data (tests/desk/tst_agreement, tst_ratings).

    python -m venv V && V/bin/pip install numpy==1.26.4 scipy==1.12.0 scikit-learn==1.9.1 statsmodels==0.15.0 krippendorff==0.9.0 irrCAC==0.4.4
    V/bin/python make_statistics.py
"""
import json
import pathlib
import warnings

import krippendorff
import numpy as np
import pandas as pd
import statsmodels.api as sm
from irrCAC.raw import CAC
from scipy.optimize import minimize
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(7)


def units(table):
    """Raters in rows, items in columns, NaN a gap -> the ratings of each item."""
    return [[int(v) for v in column if not np.isnan(v)] for column in table.T]


def alpha_case(table, name):
    return {"name": name, "units": units(table)} | {
        level: krippendorff.alpha(reliability_data=table, level_of_measurement=level) for level in ("nominal", "ordinal", "interval")}


def random_table(raters, items, values, gaps, noise):
    truth = rng.choice(values, items)
    table = np.array([[t if rng.random() > noise else rng.choice(values) for t in truth] for _ in range(raters)], float)
    table[rng.random(table.shape) < gaps] = np.nan
    return table


n = np.nan
textbook = np.array([[1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
                     [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n]])  # Krippendorff 2011
alphas = [alpha_case(textbook, "Krippendorff 2011, 4 observers, 12 units")]
for raters, items, values, gaps, noise in ((2, 40, [0, 1, 2], 0.0, 0.3), (3, 60, [0, 1, 2], 0.4, 0.4), (5, 30, [-3, -2, -1, 0, 1, 2, 3], 0.5, 0.5)):
    alphas.append(alpha_case(random_table(raters, items, values, gaps, noise), f"{raters} raters, {items} items, gaps {gaps}"))

fleiss_table = np.array([[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
                         [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]])  # Fleiss 1971, as in the encyclopaedias
complete = random_table(4, 50, [0, 1, 2], 0.0, 0.4)
fleiss = [{"units": [[k for k, c in enumerate(row) for _ in range(c)] for row in fleiss_table.tolist()], "kappa": fleiss_kappa(fleiss_table)},
          {"units": units(complete), "kappa": fleiss_kappa(aggregate_raters(complete.T.astype(int))[0])}]

cohen = []
for noise in (0.1, 0.5):
    two = random_table(2, 80, [-3, -2, -1, 0, 1, 2, 3], 0.0, noise).astype(int)
    cohen.append({"first": two[0].tolist(), "second": two[1].tolist(), "kappa": cohen_kappa_score(two[0], two[1]),
                  "quadratic": cohen_kappa_score(two[0], two[1], weights="quadratic", labels=[-3, -2, -1, 0, 1, 2, 3])})

ac1 = []
for raters, gaps, noise in ((2, 0.0, 0.2), (4, 0.4, 0.5)):
    table = random_table(raters, 60, [0, 1, 2], gaps, noise)
    table = table[:, ~np.all(np.isnan(table), axis=0)]
    value = CAC(pd.DataFrame(table.T), digits=12).gwet()["est"]["coefficient_value"]
    ac1.append({"units": units(table), "categories": 3, "ac1": float(value)})


# ---------------------------------------------------------------- ratings

def matches(models, count, ties):
    strength = rng.normal(0, 0.8, models)
    strength -= strength.mean()
    rows = []
    for i in range(count):
        first, second = rng.choice(models, 2, replace=False)
        left, style = bool(rng.random() < 0.5), float(rng.uniform(-0.6, 0.6))
        eta = strength[first] - strength[second] + 0.3 * (1 if left else -1) + 0.9 * style
        weights = np.array([np.exp(eta / 2), 0.6 if ties else 0.0, np.exp(-eta / 2)])
        outcome = int(rng.choice(3, p=weights / weights.sum()))
        rows.append({"first": int(first), "second": int(second), "outcome": outcome, "left": left, "style": round(style, 4), "cluster": i // 2})
    return rows


def design(rows, models):
    x = np.zeros((len(rows), models + 2))
    for i, r in enumerate(rows):
        x[i, r["first"]], x[i, r["second"]] = 1, -1
        x[i, models], x[i, models + 1] = (1 if r["left"] else -1), r["style"]
    return x


def contrasts(models, extra):
    """From the first models - 1 strengths (the last one is 0) and the rest to centred strengths and the rest."""
    c = np.zeros((models + extra, models - 1 + extra))
    c[:models, :models - 1] = np.vstack([np.eye(models - 1), np.zeros(models - 1)]) - 1 / models
    c[models:, models - 1:] = np.eye(extra)
    return c


def half_case(models, count):
    rows = matches(models, count, True)
    x = np.delete(design(rows, models), models - 1, axis=1)
    y = np.array([(1.0, 0.5, 0.0)[r["outcome"]] for r in rows])
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": np.array([r["cluster"] for r in rows]), "use_correction": False}, tol=1e-12)
    c = contrasts(models, 2)
    return {"models": models, "matches": rows, "ties": "half", "values": (c @ fit.params).tolist(),
            "errors": np.sqrt(np.diag(c @ fit.cov_params() @ c.T)).tolist()}


def davidson_case(models, count):
    rows = matches(models, count, True)
    x = np.delete(design(rows, models), models - 1, axis=1)
    outcome = np.array([r["outcome"] for r in rows])

    def logp(p):
        eta, tie = x @ p[:-1], p[-1]
        table = np.stack([eta / 2, np.full_like(eta, tie), -eta / 2])
        return table[outcome, np.arange(len(rows))] - np.log(np.exp(table).sum(0))

    def scores(p, h=1e-5):
        return np.stack([(logp(p + h * e) - logp(p - h * e)) / (2 * h) for e in np.eye(len(p))], 1)

    fit = minimize(lambda p: -logp(p).sum(), np.zeros(x.shape[1] + 1), jac=lambda p: -scores(p).sum(0), method="BFGS", options={"gtol": 1e-9})
    h, e = 1e-4, np.eye(len(fit.x))
    hessian = np.stack([(scores(fit.x + h * e[i]).sum(0) - scores(fit.x - h * e[i]).sum(0)) / (2 * h) for i in range(len(fit.x))])
    g = pd.DataFrame(scores(fit.x)).groupby([r["cluster"] for r in rows]).sum().to_numpy()
    bread = np.linalg.inv(-hessian)
    c = contrasts(models, 3)
    return {"models": models, "matches": rows, "ties": "davidson", "values": (c @ fit.x).tolist(),
            "errors": np.sqrt(np.diag(c @ bread @ g.T @ g @ bread @ c.T)).tolist()}


def dawid_skene_case():
    items, accuracy = 60, [0.9, 0.75, 0.55, 0.8]
    truth = rng.choice(3, items, p=[0.5, 0.2, 0.3])
    votes = [(i, r, int(truth[i] if rng.random() < a else rng.choice(3))) for i in range(items) for r, a in enumerate(accuracy) if rng.random() < 0.8]
    smoothing = 0.01
    posterior = np.zeros((items, 3))
    for i, _, c in votes:
        posterior[i, c] += 1
    posterior[posterior.sum(1) == 0] = 1  # nobody voted on it
    posterior /= posterior.sum(1, keepdims=True)
    for _ in range(3000):
        prevalence = posterior.sum(0) + smoothing
        prevalence /= prevalence.sum()
        confusion = np.full((len(accuracy), 3, 3), smoothing)
        for i, r, c in votes:
            confusion[r, :, c] += posterior[i]
        confusion /= confusion.sum(2, keepdims=True)
        log = np.tile(np.log(prevalence), (items, 1))
        for i, r, c in votes:
            log[i] += np.log(confusion[r, :, c])
        posterior = np.exp(log - log.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
    return {"items": items, "raters": len(accuracy), "votes": votes, "posterior": posterior.tolist(), "prevalence": prevalence.tolist(),
            "confusion": confusion.tolist()}


# ---------------------------------------------------------------- a bootstrap over prompts, with PairLab's documented sequence of draws

MASK = (1 << 64) - 1


def mix64(value):
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def draws(clusters, rounds, seed):
    for r in range(rounds):
        start = mix64(mix64(seed) ^ r)
        yield np.bincount([int((mix64((start + k) & MASK) >> 11) * 2.0**-53 * clusters) for k in range(clusters)], minlength=clusters)


def bootstrap_case(models, count, rounds, seed):
    """Bradley-Terry with half ties: a binomial regression with frequency weights, fitted anew to every sample."""
    rows = matches(models, count, True)
    for i, row in enumerate(rows):
        row["prompt"] = i // 3
    x = np.delete(design(rows, models), models - 1, axis=1)
    y = np.array([(1.0, 0.5, 0.0)[r["outcome"]] for r in rows])
    prompt = np.array([r["prompt"] for r in rows])
    c = contrasts(models, 2)
    samples = []
    for counts in draws(prompt.max() + 1, rounds, seed):
        w = counts[prompt].astype(float)
        samples.append(c @ sm.GLM(y[w > 0], x[w > 0], family=sm.families.Binomial(), freq_weights=w[w > 0]).fit(tol=1e-12).params)
    low, high = np.quantile(np.array(samples), [0.025, 0.975], axis=0)
    return {"models": models, "matches": rows, "rounds": rounds, "seed": seed, "low": low.tolist(), "high": high.tolist()}


out = {"alpha": alphas, "fleiss": fleiss, "cohen": cohen, "ac1": ac1, "ratings": [half_case(4, 300), davidson_case(5, 400)],
       "dawid_skene": dawid_skene_case(), "bootstrap": bootstrap_case(4, 360, 200, 11)}
(HERE / "statistics.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
