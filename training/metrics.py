"""The metrics, exactly, and a command that evaluates a checkpoint:
  python3 training/metrics.py --ckpt runs/jpeg/last.pt --data DATA --where dataset=casia1,split=val --degrade jpeg90
  python3 training/metrics.py --self-test

Definitions (the C# `eval` computes the same from what serving returns):
- a probability map is resampled bilinearly (pixel centres aligned) to the picture's own size and rounded to 8 bits, q = round(255 p), as a mask PNG holds it;
- pixel F1@0.5, IoU: q > 127 against mask > 127, per forged picture, mean over pictures. Best-threshold F1: per picture the best over
  q >= t, t = 1..255. Pixel AUC: per picture, ties counted half (pictures whose mask is full or empty have none);
- paper pixel F1: mean over forged and authentic pictures, an authentic one counting 1 when no pixel is above 0.5, else 0;
- image level at `threshold` (score > threshold = forged): accuracy, sensitivity, specificity, F1 = 2PR/(P+R), paper F1 = harmonic mean of
  sensitivity and specificity, AUC (ties half), average precision (step-wise, ties together), false-alarm rate at the highest threshold that keeps
  sensitivity >= 95 %, expected calibration error over 10 equal bins of the score;
- intervals: 95 % percentile bootstrap over pictures, 1,000 resamples, seed 0.
A figure that cannot be computed is None.
"""
import argparse
import json
import os
import sys
import time

import numpy as np


# ---------------------------------------------------------------- pixels
def f1(tp, fp, fn):
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


def pixel_metrics(q, mask):
    """One forged picture: q uint8 map, mask uint8, same size -> f1, best f1, iou, auc."""
    truth = mask > 127
    pos, neg = np.bincount(q[truth], minlength=256).astype(np.float64), np.bincount(q[~truth], minlength=256).astype(np.float64)
    tp, fp = pos[::-1].cumsum()[::-1], neg[::-1].cumsum()[::-1]  # index t: q >= t
    fn = pos.sum() - tp
    best = max(f1(tp[t], fp[t], fn[t]) for t in range(1, 256))
    t = 128
    union = tp[t] + fp[t] + fn[t]
    auc = None
    if pos.sum() and neg.sum():
        below = np.concatenate([[0], neg.cumsum()[:-1]])
        auc = float((pos * (below + neg / 2)).sum() / (pos.sum() * neg.sum()))
    return {"f1_at_0_5": f1(tp[t], fp[t], fn[t]), "f1_best": best, "iou_at_0_5": tp[t] / union if union else 1.0, "auc": auc}


# ---------------------------------------------------------------- images
def auc(labels, scores):
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    p, n = (labels == 1).sum(), (labels == 0).sum()
    if not p or not n:
        return None
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (counts.cumsum() - (counts - 1) / 2)[inverse]  # mean rank of ties
    return float((rank[labels == 1].sum() - p * (p + 1) / 2) / (p * n))


def operating_points(labels, scores):
    """(threshold, true positives, false positives) for every distinct score, highest first: score >= threshold counts as forged."""
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    order = np.argsort(-scores, kind="stable")
    s, l = scores[order], labels[order]
    last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    return s[last], np.cumsum(l == 1)[last], np.cumsum(l == 0)[last]


def average_precision(labels, scores):
    labels = np.asarray(labels)
    if not (labels == 1).any() or not len(labels):
        return None
    _, tp, fp = operating_points(labels, scores)
    recall = np.concatenate([[0], tp / tp[-1]])
    return float((np.diff(recall) * tp / (tp + fp)).sum())


def false_alarm_at(labels, scores, sensitivity=0.95):
    labels = np.asarray(labels)
    if not (labels == 1).any() or not (labels == 0).any():
        return None
    _, tp, fp = operating_points(labels, scores)
    i = np.flatnonzero(tp / tp[-1] >= sensitivity)[0]
    return float(fp[i] / (labels == 0).sum())


def calibration_error(labels, scores, bins=10):
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if not len(labels):
        return None
    which = np.minimum((scores * bins).astype(int), bins - 1)
    return float(sum((which == b).mean() * abs(labels[which == b].mean() - scores[which == b].mean()) for b in range(bins) if (which == b).any()))


def image_metrics(labels, scores, threshold=0.5):
    labels, scores = np.asarray(labels), np.asarray(scores, np.float64)
    said = scores > threshold
    tp, fn = int((said & (labels == 1)).sum()), int((~said & (labels == 1)).sum())
    fp, tn = int((said & (labels == 0)).sum()), int((~said & (labels == 0)).sum())
    sens, spec = tp / (tp + fn) if tp + fn else None, tn / (tn + fp) if tn + fp else None
    both = sens is not None and spec is not None
    return {"accuracy": (tp + tn) / len(labels) if len(labels) else None, "sensitivity": sens, "specificity": spec,
            "f1": f1(tp, fp, fn) if tp + fn else None, "paper_f1": (2 * sens * spec / (sens + spec) if sens + spec else 0.0) if both else None,
            "auc": auc(labels, scores), "average_precision": average_precision(labels, scores) if both else None,
            "false_alarm_at_95_sensitivity": false_alarm_at(labels, scores), "ece": calibration_error(labels, scores)}


def interval(values, resamples=1000, seed=0):
    if not len(values):
        return None
    values, rng = np.asarray(values, np.float64), np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (resamples, len(values)))].mean(1)
    return [float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))]


def summary(rows, threshold=0.5):
    """rows: dicts with label, score, blank (no pixel above 0.5) and, where a forged picture has a mask, `pixel`. -> the M of eval's metrics.json"""
    pixel = [r["pixel"] for r in rows if r.get("pixel")]
    paper = [r["pixel"]["f1_at_0_5"] for r in rows if r.get("pixel")] + [float(r["blank"]) for r in rows if r["label"] == 0]
    mean = lambda k: float(np.mean([p[k] for p in pixel if p[k] is not None])) if any(p[k] is not None for p in pixel) else None
    return {"counts": {"authentic": sum(r["label"] == 0 for r in rows), "forged": sum(r["label"] == 1 for r in rows), "forged_with_mask": len(pixel)},
            "pixel": {**{k: mean(k) for k in ("f1_at_0_5", "f1_best", "iou_at_0_5", "auc")}, "paper_f1": float(np.mean(paper)) if paper else None,
                      "f1_at_0_5_interval_95": interval([p["f1_at_0_5"] for p in pixel])},
            "image": image_metrics([r["label"] for r in rows], [r["score"] for r in rows], threshold)}


# ---------------------------------------------------------------- evaluation of a checkpoint
def to_size(prob, h, w):
    """Probability map -> uint8 at the picture's size."""
    import cv2
    return np.round(255 * np.clip(cv2.resize(prob.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR), 0, 1)).astype(np.uint8)


def load(ckpt, mask_bias=None):
    """The serving form (probabilities) of a checkpoint's moving average, with the mask shift that bias.py chose."""
    import torch
    from model import Serving, build
    state = torch.load(ckpt, map_location="cpu")
    net = build(state["arch"], **state["options"])
    net.load_state_dict(state["ema"])
    if mask_bias is not None:
        return Serving(net, mask_bias).eval()
    return Serving(net, state.get("mask_bias", 0.0), state.get("mask_gate", (0.0, 0.0))).eval()


def evaluate(run, rows, degradation=None, use_dct=True, keep=None):
    """run(pixels, dct, qtable numpy batch of one) -> (mask h x w, score). Yields one row per picture."""
    import data as D
    out = []
    for i, row in enumerate(rows):
        buf, mask = D.read_bytes(row["image"]), None
        if row["label"] == 1 and row["mask"]:
            import cv2
            mask = cv2.imread(row["mask"], cv2.IMREAD_GRAYSCALE)
        if degradation:
            buf, mask = D.degrade(D.decode(buf), mask, degradation, seed=i)
        pixels, dct, table, (h, w) = D.network_input(buf, use_dct=use_dct)
        prob, score = run(pixels, dct, table)
        q = to_size(prob, *pixels.shape[:2])[:h, :w]
        item = {"name": row["name"], "dataset": row["dataset"], "label": row["label"], "score": float(score), "blank": not (q > 127).any(), "area": float((q > 127).mean())}
        if mask is not None:
            item["pixel"] = pixel_metrics(q, mask)
        if keep:
            keep(item, pixels[:h, :w], q, mask)
        out.append(item)
    return out


def torch_runner(net):
    import torch

    def run(pixels, dct, table):
        with torch.no_grad():
            mask, score, _ = net(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255, torch.from_numpy(dct)[None], torch.from_numpy(table)[None])
        return mask[0, 0].numpy(), score[0, 0].item()
    return run


def panel(path, count=20):
    """keep() hook that collects picture | prediction | truth strips and writes them as one PNG."""
    import cv2
    strips = []

    def keep(item, pixels, q, mask):
        if len(strips) < count:
            truth = np.zeros_like(q) if mask is None else mask
            strip = np.hstack([pixels[:, :, ::-1]] + [np.repeat(m[..., None], 3, 2) for m in (q, truth)])
            strip = cv2.resize(strip, (600, int(strip.shape[0] * 600 / strip.shape[1])), interpolation=cv2.INTER_AREA)
            text = f"{item['score']:.2f} " + (f"F1 {item['pixel']['f1_at_0_5']:.2f}" if mask is not None else "authentic")
            strips.append(cv2.putText(strip, text, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 255), 1))
            if len(strips) == count:
                half = (count + 1) // 2
                cols = [np.vstack([cv2.copyMakeBorder(s, 0, max(0, 270 - s.shape[0]), 0, 0, cv2.BORDER_CONSTANT)[:270] for s in strips[i:i + half]]) for i in (0, half)]
                cv2.imwrite(path, np.hstack(cols))
    return keep


# ---------------------------------------------------------------- brute force
def self_test():
    rng = np.random.default_rng(3)
    for trial in range(200):
        q = (rng.random((5, 6)) * rng.choice([1, 8, 256])).astype(np.uint8) * int(rng.choice([1, 30 if trial % 2 else 1]) % 255 or 1)
        mask = ((rng.random((5, 6)) < rng.uniform(0.05, 0.9)) * 255).astype(np.uint8)
        got = pixel_metrics(q, mask)

        def counts(t):
            tp = fp = fn = 0
            for a, b in zip(q.flat, mask.flat):
                tp, fp, fn = tp + (a >= t and b > 127), fp + (a >= t and b <= 127), fn + (a < t and b > 127)
            return tp, fp, fn
        tp, fp, fn = counts(128)
        want = 1.0 if tp + fp + fn == 0 else 2 * tp / (2 * tp + fp + fn)
        assert abs(got["f1_at_0_5"] - want) < 1e-12
        assert abs(got["iou_at_0_5"] - (tp / (tp + fp + fn) if tp + fp + fn else 1)) < 1e-12
        best = max(2 * a / (2 * a + b + c) if a + b + c else 1.0 for a, b, c in (counts(t) for t in range(1, 256)))
        assert abs(got["f1_best"] - best) < 1e-12
        pairs = [(a > b) + 0.5 * (a == b) for a in q[mask > 127].astype(int) for b in q[mask <= 127].astype(int)]
        assert (got["auc"] is None) == (not pairs) and (not pairs or abs(got["auc"] - np.mean(pairs)) < 1e-12)

        n = int(rng.integers(2, 14))
        labels, scores = rng.integers(0, 2, n), np.round(rng.random(n), int(rng.integers(1, 4)))
        got = image_metrics(labels, scores)
        pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
        if not pairs:
            assert got["auc"] is None and got["average_precision"] is None
            continue
        assert abs(got["auc"] - np.mean(pairs)) < 1e-12
        ap, before = 0.0, 0.0
        for t in sorted(set(scores), reverse=True):
            said = scores >= t
            recall = (said & (labels == 1)).sum() / (labels == 1).sum()
            ap, before = ap + (recall - before) * (said & (labels == 1)).sum() / said.sum(), recall
        assert abs(got["average_precision"] - ap) < 1e-12
        fars = [((scores >= t) & (labels == 0)).sum() / (labels == 0).sum() for t in set(scores) if ((scores >= t) & (labels == 1)).sum() / (labels == 1).sum() >= 0.95]
        assert abs(got["false_alarm_at_95_sensitivity"] - min(fars)) < 1e-12
        sens, spec = np.mean(scores[labels == 1] > 0.5), np.mean(scores[labels == 0] <= 0.5)
        assert abs(got["sensitivity"] - sens) < 1e-12 and abs(got["specificity"] - spec) < 1e-12
        assert abs(got["paper_f1"] - (2 * sens * spec / (sens + spec) if sens + spec else 0)) < 1e-12
        ece = 0.0
        for b in range(10):
            inside = [i for i in range(n) if b <= int(min(scores[i] * 10, 9)) < b + 1]
            if inside:
                ece += len(inside) / n * abs(np.mean(labels[inside]) - np.mean(scores[inside]))
        assert abs(got["ece"] - ece) < 1e-12
    rows = [{"label": 0, "score": 0.1, "blank": True}, {"label": 0, "score": 0.9, "blank": False},
            {"label": 1, "score": 0.8, "blank": False, "pixel": {"f1_at_0_5": 0.5, "f1_best": 0.6, "iou_at_0_5": 1 / 3, "auc": 0.9}}]
    assert abs(summary(rows)["pixel"]["paper_f1"] - 0.5) < 1e-12  # (0.5 + 1 + 0) / 3
    print("self-test passed: 200 random cases against brute force")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--self-test", action="store_true")
    a.add_argument("--ckpt")
    a.add_argument("--data", default="data")
    a.add_argument("--where", default="split=val,dataset=casia1")
    a.add_argument("--degrade", default="", help="one or several, comma-separated; 'none' is the untouched file")
    a.add_argument("--no-dct", action="store_true", help="hide the JPEG branch's input, as for a file that is no JPEG")
    a.add_argument("--out", help="per-image JSON lines")
    a.add_argument("--panel", help="PNG of twenty pictures, predictions and truths")
    args = a.parse_args()
    if args.self_test:
        return self_test()
    import data as D
    import torch
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    where = dict(kv.split("=") for kv in args.where.split(",") if kv)
    rows = D.read_manifest(args.data, **{k: v.split("|") for k, v in where.items()})
    run = torch_runner(load(args.ckpt))
    for name in (args.degrade or "none").split(","):
        begun = time.time()
        items = evaluate(run, rows, None if name == "none" else name, not args.no_dct, panel(args.panel) if args.panel else None)
        m = summary(items)
        print(name, json.dumps(m), f"{(time.time() - begun) / len(rows) * 1e3:.0f} ms a picture", flush=True)
        short = {**{k: m["pixel"][k] for k in ("f1_at_0_5", "f1_best", "paper_f1")}, **{k: m["image"][k] for k in ("auc", "sensitivity", "specificity")}}
        print("  " + ", ".join(f"{k} {v:.3f}" for k, v in short.items() if v is not None), file=sys.stderr, flush=True)
        if args.out:
            with open(args.out, "a") as f:
                f.writelines(json.dumps({"degrade": name, **item}) + "\n" for item in items)


if __name__ == "__main__":
    main()
