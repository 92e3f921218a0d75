"""Calibrate scores and choose the verdict thresholds; writes models/calibration.json.

    ./palimpsest eval --data MANIFEST.csv --where split=val --out runs/eval/plain
    ./palimpsest eval --data MANIFEST.csv --where split=val --degrade jpeg90 --out runs/eval/jpeg90     (and jpeg70)
    python3 training/calibrate.py runs/eval/*/per-image.csv --version 2026-11-22

Input is what the serving pipeline itself measured (`per-image.csv`), so that whatever it does to a picture is calibrated with it. Per localizer: Platt scaling
(J. Platt 1999, with his smoothed targets), p = sigmoid(a * logit(raw) + b), fitted on pictures of its own kind against authentic ones, both classes and all
data sets of twenty or more weighted alike. The picture's score is 1 - (1 - p)(1 - q); where both localizers answered, `--calm` log-odds are taken off the shallowfake
localizer's, which has little to say of a portrait that the other has looked at: two who each know little must not add up to an accusation. `likely_fake` is the smallest threshold with at most `--false-alarms` of authentic pictures at or above it in *every* of the given
files taken together and alone (the larger of the quantiles); `likely_real` the largest at which at most `--misses` of the forged ones would be called real.
"""
import argparse
import csv
import json

import numpy as np

EDGE = 1e-6
KIND = {"shallowfake": "shallowfake", "deepfake": "deepfake"}


def logit(p):
    p = np.clip(p, EDGE, 1 - EDGE)
    return np.log(p / (1 - p))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def platt(raw, label, weight, steps=200):
    """Newton's method on the weighted log loss; returns a > 0 and b."""
    positives, negatives = weight[label == 1].sum(), weight[label == 0].sum()
    n1, n0 = (label == 1).sum(), (label == 0).sum()
    target = np.where(label == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    weight = np.where(label == 1, weight / positives, weight / negatives) * len(raw) / 2
    x = np.stack([logit(raw), np.ones_like(raw)], 1)
    theta = np.array([1.0, 0.0])
    for _ in range(steps):
        p = sigmoid(x @ theta)
        gradient = x.T @ (weight * (p - target)) + 1e-3 * (theta - [1, 0])
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        theta -= step
        if np.abs(step).max() < 1e-9:
            break
    # A localizer whose score does not rise with manipulation must not be turned round: it is flattened instead.
    return max(float(theta[0]), 0.05), float(theta[1])


def read(paths):
    rows = []
    for path in paths:
        with open(path, newline="") as file:
            rows += [dict(row, file=path) for row in csv.DictReader(file) if not row["error"]]
    return rows


def weights(rows):
    """Every data set of twenty pictures or more counts the same within its class, whatever its size; smaller ones by their size."""
    groups = {}
    for row in rows:
        groups.setdefault((row["label"], row["dataset"]), []).append(row)
    return np.array([1 / max(20, len(groups[row["label"], row["dataset"]])) for row in rows])


def fit(rows, name):
    used = [r for r in rows if r[f"{name}_raw"] and (r["label"] == "0" or r["kind"] in ("", KIND[name]))]
    label = np.array([int(r["label"]) for r in used])
    if not 0 < label.sum() < len(label):
        return None
    a, b = platt(np.array([float(r[f"{name}_raw"]) for r in used]), label, weights(used))
    return {"a": round(a, 6), "b": round(b, 6)}


def fused(row, detectors):
    clean, answered = 1.0, [name for name in detectors if row[f"{name}_raw"]]
    for name in answered:
        scale = detectors[name]
        clean *= 1 - sigmoid(scale["a"] * logit(float(row[f"{name}_raw"])) + scale["b"] - (scale.get("calm", 0) if len(answered) > 1 else 0))
    return 1 - clean


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--version", required=True)
    parser.add_argument("--false-alarms", type=float, default=0.04, help="share of authentic validation pictures that may be called likely fake; below the stated 5 %% to leave room")
    parser.add_argument("--misses", type=float, default=0.15, help="share of forged validation pictures that may be called likely real")
    parser.add_argument("--calm", type=float, default=2, help="log-odds taken off the shallowfake localizer's score where the deepfake localizer answered too")
    parser.add_argument("--silence", type=float, default=9, help="so far below likely_real, in log-odds, nothing is left of the deepfake localizer's regions (training/README.md)")
    parser.add_argument("--out", default="models/calibration.json")
    args = parser.parse_args()
    rows = read(args.files)
    detectors = {name: scale for name in KIND if (scale := fit(rows, name))}
    if "shallowfake" in detectors:
        detectors["shallowfake"]["calm"] = args.calm
    if "deepfake" in detectors:
        detectors["deepfake"]["silence"] = args.silence
    score = np.array([fused(row, detectors) for row in rows])
    label = np.array([int(row["label"]) for row in rows])
    file = np.array([row["file"] for row in rows])

    authentic = [score[(label == 0) & (file == f)] for f in args.files] + [score[label == 0]]
    fake = max(float(np.quantile(s, 1 - args.false_alarms, method="higher")) + 1e-4 for s in authentic if len(s))
    real = min(float(np.quantile(score[label == 1], args.misses, method="lower")), fake - 0.01)
    alarm = float((score[label == 0] >= fake).mean())
    result = {
        "version": args.version, "detectors": detectors, "likely_fake": round(min(fake, 0.999), 4), "likely_real": round(max(real, 0.01), 4), "false_alarm_rate": round(alarm, 4),
        "data": f"{(label == 0).sum()} authentic and {(label == 1).sum()} manipulated validation pictures (with their recompressions) of {', '.join(sorted({r['dataset'] for r in rows}))}",
    }
    with open(args.out, "w") as out:
        json.dump(result, out, indent=2)
        out.write("\n")
    print(json.dumps(result, indent=2))
    for name in sorted({r["dataset"] for r in rows}):
        at = np.array([r["dataset"] == name for r in rows])
        parts = [f"{what} {int((at & (label == value)).sum())}: fake {(score[at & (label == value)] >= fake).mean():.3f} real {(score[at & (label == value)] <= real).mean():.3f}"
                 for value, what in ((0, "authentic"), (1, "forged")) if (at & (label == value)).any()]
        print(f"{name}: " + "; ".join(parts))


if __name__ == "__main__":
    main()
