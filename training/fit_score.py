"""Fits what is linear once the rest is trained: the detection head, and what textures and generators' traces say.

    python3 training/fit_score.py --ckpt runs/deepfake/last.pt --data DATA --blazeface FACE.onnx --resnet ResNet18.onnx --swaps runs/swaps7 --views runs/views.npz --out runs/deepfake/fitted.pt

The head that is trained along with the mask sees each picture once and lags behind; the same views, seen all at once, serve it better: logistic
regressions on frozen features, convex problems solved to their optimum. Views come from split=train: each face as its file is, saved once
(light_history), twice heavily and twice roughly reworked (file_history, rough_history), and swaps of the same fates. Collected once, they are kept
in --views. Prints what the faces of split=val give under degradations that were not drawn from. --resnet: see textures.py.
"""
import argparse
import os
import cv2
import numpy as np
import scipy.linalg
import torch
from sklearn.linear_model import LogisticRegression
import faces as faces_
from metrics import auc
from train_faces import load_swaps
from facenet import FaceNet, Served
from textures import pretrained

FATES = (("none", None), ("light", faces_.light_history), ("heavy", faces_.file_history), ("heavy", faces_.file_history), ("rough", faces_.rough_history), ("rough", faces_.rough_history))
SHARES = 5 / 6, 5 / 12                     # of FaceNet and of textures in the log-odds of "blended"
LOOK = ("none", "jpeg90", "jpeg70", "blur1", "noise5", "resize0.7")


class Views:
    """What the frozen parts see of views: features, traces, textures, label (0 authentic, 1 swapped, 2 generated), fate, number of the face (-1: several)."""

    def __init__(self, served):
        self.served, self.rows = served, {k: [] for k in ("features", "traces", "textures", "label", "fate", "face")}

    def add(self, image, buf, face, r, jitter, label, fate, number):
        pixels, _, dct, table = faces_.view(np.ascontiguousarray(image), np.zeros(image.shape[:2], np.float32), face, r, jitter=jitter, buf=buf)
        with torch.no_grad():
            x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
            features = self.served.net.look(x, torch.from_numpy(dct)[None], torch.from_numpy(table)[None])[2][0].numpy()
            traces, textures = (part(x)[0].half().numpy() for part in (self.served.traces, self.served.textures))
        for key, value in zip(self.rows, (features, traces, textures, label, fate, number)):
            self.rows[key].append(value)

    def arrays(self):
        return {k: np.array(v) for k, v in self.rows.items()}


def collect(served, faces, swaps, seed):
    views = Views(served)
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


class Kernel:
    """Logistic regressions on statistics that are more than the samples: solved for the samples' weights, by Newton steps."""

    def __init__(self, reading, statistics):
        self.scale = np.sqrt((reading.scale > 0).sum().item())
        self.x = reading.normal(torch.from_numpy(statistics.astype(np.float32))).numpy() / self.scale
        self.products = (self.x @ self.x.T).astype(np.float64)

    def solve(self, y, weight, c, rows=slice(None), steps=20):
        """(the samples' weights, bias); c is the inverse of the penalty, as in scikit-learn."""
        y, weight, products = y[rows], weight[rows], self.products[rows][:, rows]
        a, bias = np.zeros(len(y)), 0.0
        for _ in range(steps):
            f = products @ a + bias
            p = 1 / (1 + np.exp(-f))
            bend = c * np.maximum(weight * p * (1 - p), 1e-6)
            system = products.copy()
            system[np.diag_indices(len(y))] += 1 / bend
            factor = scipy.linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
            u, ones = scipy.linalg.cho_solve(factor, np.stack([f + c * weight * (y - p) / bend, np.ones(len(y))], 1), check_finite=False).T
            bias = u.sum() / ones.sum()
            before, a = a, u - bias * ones
            if np.abs(a - before).max() < 1e-3 * np.abs(a).max():
                break
        return a, bias

    def held_out(self, y, weight, c, folds):
        out = np.zeros(len(y))
        for f in set(folds):
            rows, rest = np.flatnonzero(folds != f), np.flatnonzero(folds == f)
            a, bias = self.solve(y, weight, c, rows)
            out[rest] = self.products[rest][:, rows] @ a + bias
        return out

    def fit(self, y, weight, c):
        """Weights of the normalised statistics, bias."""
        a, bias = self.solve(y, weight, c)
        return self.x.T @ a / self.scale, bias


def write(reading, head, weight, bias, factor):
    reading.weight[:, head], reading.bias[head] = factor * torch.from_numpy(weight).float(), factor * float(bias)


def fit_blended(served, views):
    """Blended against authentic: FaceNet's features in the head's own form, and the textures. The network has learned from these very faces and the textures
    have not, so their shares cannot be fitted here: two to one, the sum a little lowered (chosen on the faces of split=val and swaps of seed 7)."""
    net, use = served.net, views["label"] != 2
    x, y = views["features"][use], views["label"][use] == 1
    mean, spread = x.mean(0), x.std(0) + 1e-4
    weight = even(list(zip(views["fate"][use], y)), dict(none=0.6, light=0.6, heavy=0.5, rough=0.5))
    m = LogisticRegression(C=1e-2, max_iter=600).fit(np.clip((x - mean) / spread, -6, 6), y, sample_weight=weight)
    w, k = torch.tensor(SHARES[0] * m.coef_[0] / spread, dtype=torch.float32), net.score.weight.shape[1]
    net.score.weight.copy_(w[:k].view(1, -1, 1, 1)), net.score.bias.zero_()
    net.pooled.weight.copy_(w[None, k:]), net.pooled.bias.fill_(SHARES[0] * float(m.intercept_[0] - (mean / spread * m.coef_[0]).sum()))
    write(served.of_textures, 0, *Kernel(served.of_textures, views["textures"][use]).fit(y, weight, 10.0), SHARES[1])


def fit_generated(served, views, seed):
    """Generated against authentic: textures and traces, each weighed by itself, then their log-odds on faces not fitted on against each other."""
    use = (views["label"] != 1) & (views["face"] >= 0)
    y, fate, face = views["label"][use] == 2, views["fate"][use], views["face"][use]
    weight = np.array([dict(none=1, light=0.5, heavy=0.3, rough=0.3)[f] for f in fate])
    folds, held, fitted = np.random.default_rng(seed).integers(0, 3, face.max() + 2)[face], [], []
    for name, reading, c in (("textures", served.of_textures, 300.0), ("traces", served.of_traces, 30.0)):
        kernel = Kernel(reading, views[name][use])
        held.append(kernel.held_out(y, weight, c, folds)), fitted.append(kernel.fit(y, weight, c))
        print(f"{name}, held-out thirds: AUC " + ", ".join(f"{f} {auc(y[fate == f].astype(int), held[-1][fate == f]):.3f}" for f in dict.fromkeys(fate)), flush=True)
    weight = np.array([dict(none=1.5, light=1, heavy=0.7, rough=0.7)[f] for f in fate])
    m = LogisticRegression(C=1.0).fit(np.stack(held, 1), y, sample_weight=weight)
    print(f"their shares {np.round(m.coef_[0], 3)}", flush=True)
    write(served.of_textures, 1, *fitted[0], m.coef_[0, 0]), write(served.of_traces, 0, *fitted[1], m.coef_[0, 1])
    served.of_traces.bias += float(m.intercept_[0])


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
    p.add_argument("--resnet", required=True, help="ResNet18.onnx, see textures.py"); p.add_argument("--whole", type=float, default=4.0); p.add_argument("--calm", type=float, default=0.3)
    a = p.parse_args()
    cv2.setNumThreads(1)
    c = torch.load(a.ckpt, map_location="cpu")
    served = Served(FaceNet(c["width"]), a.whole, a.calm)
    served.net.load_state_dict(c["mean"]), served.textures.load_state_dict(pretrained(a.resnet).state_dict())
    served.eval()
    swaps = load_swaps(a.swaps, a.blazeface)
    if not a.keep_mask:
        shift_mask(served.net, swaps)
    if os.path.exists(a.views):
        views = dict(np.load(a.views))
    else:
        views = collect(served, faces_.load(a.data, "train", a.blazeface), a.count, a.seed)
        np.savez(a.views, **views)
    print({f: int((views["fate"] == f).sum()) for f in dict.fromkeys(views["fate"])}, {k: int((views["label"] == k).sum()) for k in (0, 1, 2)}, flush=True)
    whole = (views["fate"] == "none") & (views["label"] != 1)
    with torch.no_grad():
        served.of_textures.centre(views["textures"][whole].astype(np.float32)), served.of_traces.centre(views["traces"][whole].astype(np.float32))
        fit_blended(served, views), fit_generated(served, views, a.seed)
    parts = {name: {k: v.half() if name.endswith("textures") else v for k, v in part.state_dict().items()} for name, part in served.named_children() if name not in ("net", "traces")}
    torch.save(dict(mean=served.net.state_dict(), **parts, whole=a.whole, calm=a.calm, width=c["width"], step=c["step"], spent=c["spent"], fitted=len(views["label"])), a.out)
    report(served, faces_.load(a.data, "val", a.blazeface), swaps)


if __name__ == "__main__":
    main()
