"""Fits what is linear once the rest is trained: the detection head, and how generators' traces are heard in files of every fate.

    python3 training/fit_score.py --ckpt runs/deepfake/last.pt --data DATA --blazeface FACE.onnx --synthesis runs/synthesis.pt --swaps runs/swaps7 --views runs/views.npz --out runs/deepfake/fitted.pt

The head that is trained along with the mask sees each picture once and lags behind; the same views, seen all at once, serve it better: logistic
regressions on frozen features, convex problems solved to their optimum. Views come from split=train: each face as its file is, saved once
(light_history), twice heavily and twice roughly reworked (file_history, rough_history), and swaps of the same fates. Collected once, they are kept
in --views. Prints what the faces of split=val give under degradations that were not drawn from.
"""
import argparse
import os
import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
import faces as faces_
from metrics import auc
from train_faces import load_swaps
from facenet import FaceNet, Generated, Served
from synthesis import Synthesis, fit

FATES = (("none", None), ("light", faces_.light_history), ("heavy", faces_.file_history), ("heavy", faces_.file_history), ("rough", faces_.rough_history), ("rough", faces_.rough_history))
LOOK = ("none", "jpeg90", "jpeg70", "blur1", "noise5", "resize0.7")


class Views:
    """What the frozen parts see of views: features, traces, label (0 authentic, 1 swapped, 2 generated), fate, number of the face (-1: several)."""

    def __init__(self, net, synthesis):
        self.net, self.synthesis, self.rows = net, synthesis, {k: [] for k in ("features", "traces", "label", "fate", "face")}

    def add(self, image, buf, face, r, jitter, label, fate, number):
        pixels, _, dct, table = faces_.view(np.ascontiguousarray(image), np.zeros(image.shape[:2], np.float32), face, r, jitter=jitter, buf=buf)
        with torch.no_grad():
            x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
            features = self.net.look(x, torch.from_numpy(dct)[None], torch.from_numpy(table)[None])[2][0].numpy()
            traces = self.synthesis.traces(x)[0].numpy()
        for key, value in zip(self.rows, (features, traces.astype(np.float16), label, fate, number)):
            self.rows[key].append(value)

    def arrays(self):
        return {k: np.array(v) for k, v in self.rows.items()}


def collect(net, synthesis, faces, swaps, seed):
    views = Views(net, synthesis)
    for number, face in enumerate(faces):
        r = np.random.default_rng([seed, number])
        for fate, change in FATES:
            image, buf = (face["image"], face["bytes"]) if change is None else change(face["image"], r)
            views.add(image, buf, face, r, change is not None, 2 if face["fake"] else 0, fate, number)
    source, r = faces_.Faces(faces, synthetic=0), np.random.default_rng(seed + 1)
    numbers = {id(face): i for i, face in enumerate(faces)}
    for i in range(swaps):
        face, number = source.own[r.integers(len(source.own))], -1
        if i % 3 == 2:
            face = source.pick(r)
        else:
            number = numbers[id(face)]
            face = faces_.mirrored(face) if r.random() < 0.5 else face
        forged = faces_.self_blended(face, r)[0] if r.random() < 0.6 else faces_.cross_swapped(face, source.real, r)[0]
        draw, fate_seed = r.random(), r.integers(2 ** 32)
        fate, change = FATES[1] if draw < 0.4 else FATES[2] if draw < 0.7 else FATES[4]
        for image, label in ((forged, 1), (face["image"], 0))[:2 if i % 3 == 2 else 1]:
            own = np.random.default_rng(fate_seed)
            image, buf = change(image, own)
            views.add(image, buf, face, own, True, label, fate, number)
    return views.arrays()


def shift_mask(net, swaps):
    """Moves the mask's bias so that 0.5 is where the mean pixel F1 of the given swaps is highest, self-blended and cross-face counting alike."""
    r, found = np.random.default_rng(0), {}
    for swap in swaps:
        pixels, truth, dct, table = faces_.view(swap["image"], swap["mask"], swap, r, jitter=False, buf=swap["bytes"])
        with torch.no_grad():
            logit = net(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255, torch.from_numpy(dct)[None], torch.from_numpy(table)[None])[0][0, 0].numpy()
        found.setdefault(swap["kind"], []).append((cv2.resize(logit, (faces_.SIZE,) * 2), truth > 0.5))
    score = lambda cut: [np.mean([2 * ((q > cut) & t).sum() / max(1, (q > cut).sum() + t.sum()) for q, t in group]) for _, group in sorted(found.items())]
    cut = max(np.arange(-3, 1.01, 0.1), key=lambda cut: sum(score(cut)))
    print(f"mask: F1 {sorted(found)} {np.round(score(0), 3)} at logit 0, {np.round(score(cut), 3)} at {cut:.2f}", flush=True)
    with torch.no_grad():
        net.mask.bias -= float(cut)


def even(groups, shares):
    """Weights under which every (fate, class) that occurs counts by its fate's share, whatever its size; mean 1."""
    w = np.zeros(len(groups))
    for group in set(groups):
        at = np.array([g == group for g in groups])
        w[at] = shares[group[0]] / at.sum()
    return w * len(w) / w.sum()


def fit_blended(net, views, c):
    """Blended against authentic, in the head's own linear form."""
    use = views["label"] != 2
    x, y = views["features"][use], views["label"][use] == 1
    mean, spread = x.mean(0), x.std(0) + 1e-4
    weight = even(list(zip(views["fate"][use], y)), dict(none=0.6, light=0.6, heavy=0.5, rough=0.5))
    m = LogisticRegression(C=c, max_iter=600).fit(np.clip((x - mean) / spread, -6, 6), y, sample_weight=weight)
    w, k = torch.tensor(m.coef_[0] / spread, dtype=torch.float32), net.score.weight.shape[1]
    with torch.no_grad():
        net.score.weight.copy_(w[:k].view(1, -1, 1, 1)), net.score.bias.zero_()
        net.pooled.weight.copy_(w[None, k:]), net.pooled.bias.fill_(float(m.intercept_[0] - (mean / spread * m.coef_[0]).sum()))


def fit_generated(synthesis, views, seed):
    """Generated against authentic: the traces of reworked files, and the three witnesses' weights."""
    use = views["label"] != 1
    y, fate, face = views["label"][use] == 2, views["fate"][use], views["face"][use]
    x = synthesis.normal(torch.from_numpy(views["traces"][use].astype(np.float32))).numpy() / np.sqrt(synthesis.traces.count)
    weight = np.array([dict(none=1, light=0.5, heavy=0.3, rough=0.3)[f] for f in fate])
    folds, held = np.random.default_rng(seed).integers(0, 3, face.max() + 2)[face], np.zeros(len(y))
    for f in range(3):
        w, b = fit(x[folds != f], y[folds != f], weight[folds != f], 30.0, 3e-5)
        held[folds == f] = x[folds == f] @ w + b
    w, b = fit(x, y, weight, 30.0, 3e-5)
    synthesis.reworked.copy_(torch.tensor(w / np.sqrt(synthesis.traces.count), dtype=torch.float32)), synthesis.reworked_bias.fill_(float(b))
    for f in ("none", "light", "heavy", "rough"):
        print(f"traces, held-out thirds, {f}: AUC {auc(y[fate == f].astype(int), held[fate == f]):.3f}", flush=True)
    features, whole = views["features"], views["features"][(views["fate"] == "none") & (views["label"] != 1)]
    generated = Generated(features.shape[1])
    generated.mean.copy_(torch.from_numpy(whole.mean(0))), generated.scale.copy_(torch.from_numpy(1 / (whole.std(0) + 1e-4)))
    q = ((torch.from_numpy(features) - generated.mean) * generated.scale).clamp(-5, 5).numpy()
    weight = np.array([dict(none=1.5, light=1, heavy=0.7, rough=0.7)[f] for f in fate])
    m = LogisticRegression(C=1e-2, max_iter=500).fit(np.c_[q[use], 3 * held], y, sample_weight=weight)      # the factor: the penalty is meant for the features
    generated.weight.copy_(torch.tensor(m.coef_[0][:-1])), generated.traces.fill_(3 * float(m.coef_[0][-1])), generated.bias.fill_(float(m.intercept_[0]))
    known = np.isin(views["fate"], ["none", "light", "rough"])
    rough = views["fate"][known] == "rough"
    m = LogisticRegression(C=1e-3, max_iter=400).fit(q[known], rough, sample_weight=np.where(rough, 0.7, 1))
    generated.rough.copy_(torch.tensor(m.coef_[0])), generated.rough_bias.fill_(float(m.intercept_[0]))
    return generated


def report(served, faces, swaps):
    """AUC against FFHQ, and how many pass the threshold that 95.5 % of authentic views stay below, under each of the first three of LOOK."""
    r, scores = np.random.default_rng(0), {}
    for name in LOOK:
        for face in faces + swaps:
            v = faces_.degraded_view(face, name, r)
            kind = face["kind"] if "kind" in face else "generated" if face["fake"] else "FFHQ" if face["dataset"] == "faces" else "others"
            with torch.no_grad():
                score = served.logits(torch.from_numpy(v[0]).permute(2, 0, 1)[None].float() / 255, torch.from_numpy(v[2])[None], torch.from_numpy(v[3])[None])[1]
            scores.setdefault((name, kind), []).append(float(score))
    cut = max(np.quantile(np.r_[scores[n, "FFHQ"], scores.get((n, "others"), [])], 0.955) for n in LOOK[:3])
    for name in LOOK:
        here = {k: np.array(v) for (n, k), v in scores.items() if n == name}
        against = {k: auc(np.r_[np.zeros(len(here["FFHQ"])), np.ones(len(v))], np.r_[here["FFHQ"], v]) for k, v in here.items() if k not in ("FFHQ", "others")}
        print(f"{name:10s} AUC " + ", ".join(f"{k} {v:.3f}" for k, v in against.items()) + "; above the threshold " + ", ".join(f"{k} {np.mean(v >= cut):.2f}" for k, v in here.items()), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ckpt", required=True); p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--count", type=int, default=2000, help="swaps among the views"); p.add_argument("--seed", type=int, default=1)
    p.add_argument("--views", required=True, help="where the views are kept, or come from")
    p.add_argument("--swaps", required=True, help="make_swaps.py with another seed than the frozen set, to choose the mask's shift on and to report")
    p.add_argument("--keep-mask", action="store_true", help="--ckpt was fitted before: its mask is shifted already")
    p.add_argument("--synthesis", required=True, help="what synthesis.py wrote, or an earlier fitted checkpoint"); p.add_argument("--whole", type=float, default=4.0); p.add_argument("--calm", type=float, default=0.3)
    a = p.parse_args()
    torch.set_num_threads(1); cv2.setNumThreads(1)
    c, traces = torch.load(a.ckpt, map_location="cpu"), torch.load(a.synthesis, map_location="cpu")
    net, synthesis = FaceNet(c["width"]), Synthesis()
    net.load_state_dict(c["mean"]), synthesis.load_state_dict(traces.get("synthesis", traces), strict=False)
    net.eval(), synthesis.eval()
    swaps = load_swaps(a.swaps, a.blazeface)
    if not a.keep_mask:
        shift_mask(net, swaps)
    if os.path.exists(a.views):
        views = dict(np.load(a.views))
    else:
        views = collect(net, synthesis, faces_.load(a.data, "train", a.blazeface), a.count, a.seed)
        np.savez(a.views, **views)
    print({f: int((views["fate"] == f).sum()) for f in dict.fromkeys(views["fate"])}, {k: int((views["label"] == k).sum()) for k in (0, 1, 2)}, flush=True)
    fit_blended(net, views, 1e-2)
    generated = fit_generated(synthesis, views, a.seed)
    torch.save(dict(mean=net.state_dict(), synthesis=synthesis.state_dict(), generated=generated.state_dict(), whole=a.whole, calm=a.calm, width=c["width"], step=c["step"], spent=c["spent"],
                    fitted=len(views["label"])), a.out)
    report(Served(net, synthesis, generated, a.whole, a.calm).eval(), faces_.load(a.data, "val", a.blazeface), swaps)


if __name__ == "__main__":
    main()
