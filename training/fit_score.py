"""Fits the detection head once the rest is trained: logistic regression on frozen features, a convex problem solved to its optimum.

    python3 training/fit_score.py --ckpt runs/deepfake/last.pt --data DATA --blazeface FACE.onnx --synthesis runs/synthesis.pt --swaps runs/swaps7 --out runs/deepfake/fitted.pt

The head that is trained along with the mask sees each picture once and lags behind; the same samples, seen all at once, serve it better.
Samples come from split=train as in training; the penalty is chosen on faces held out from the fit, by AUC.
"""
import argparse
import cv2
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
import faces as faces_
from metrics import auc
from train_faces import load_swaps
from facenet import FaceNet


def collect(net, faces, n, seed):
    """Features and labels of about n views, authentic or blended; every seventh authentic one is the file as it is."""
    source, r, x, y = faces_.Faces(faces, synthetic=0), np.random.default_rng(seed), [], []
    whole = [f for f in source.real if f["bytes"] is not None]
    while len(y) < n:
        took = sum((source.draw(r, 0.5) for _ in range(6)), [])
        face = whole[r.integers(len(whole))]
        took.append(faces_.view(face["image"], np.zeros(face["image"].shape[:2], np.float32), face, r, jitter=False, buf=face["bytes"]) + (0.0,))
        pixels, dct, table = (torch.from_numpy(np.stack([t[k] for t in took])) for k in (0, 2, 3))
        with torch.no_grad():
            x.append(net(pixels.permute(0, 3, 1, 2).float() / 255, dct, table, features=True).numpy())
        y += [t[4] for t in took]
    return np.concatenate(x), np.array(y)


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


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ckpt", required=True); p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--samples", type=int, default=2400); p.add_argument("--seed", type=int, default=11)
    p.add_argument("--swaps", required=True, help="make_swaps.py with another seed than the frozen set, to choose the mask's shift on")
    p.add_argument("--synthesis", required=True, help="what synthesis.py wrote"); p.add_argument("--whole", type=float, default=4.0); p.add_argument("--gate", type=float, nargs=2, default=(0.0, 0.0))
    a = p.parse_args()
    torch.set_num_threads(1); cv2.setNumThreads(1)
    c = torch.load(a.ckpt, map_location="cpu")
    net = FaceNet(c["width"])
    net.load_state_dict(c["mean"])
    net.eval()
    faces = faces_.load(a.data, "train", a.blazeface)
    shift_mask(net, load_swaps(a.swaps, a.blazeface))
    x, y = collect(net, [f for i, f in enumerate(faces) if i % 5], a.samples, a.seed)
    hx, hy = collect(net, [f for i, f in enumerate(faces) if not i % 5], a.samples // 4, a.seed + 1)
    mean, spread = x.mean(0), x.std(0) + 1e-4
    best = None
    for penalty in (3e-4, 1e-3, 3e-3, 1e-2):
        m = LogisticRegression(C=penalty, max_iter=500, class_weight="balanced").fit((x - mean) / spread, y)
        found = auc(hy.astype(int), m.decision_function((hx - mean) / spread))
        print(f"C {penalty}: held-out AUC {found:.3f}", flush=True)
        if best is None or found > best[0]:
            best = found, m
    w = torch.tensor(best[1].coef_[0] / spread, dtype=torch.float32)
    k = net.score.weight.shape[1]
    with torch.no_grad():
        net.score.weight.copy_(w[:k].view(1, -1, 1, 1)); net.score.bias.zero_()
        net.pooled.weight.copy_(w[None, k:]); net.pooled.bias.fill_(float(best[1].intercept_[0] - (mean / spread * best[1].coef_[0]).sum()))
    torch.save(dict(mean=net.state_dict(), synthesis=torch.load(a.synthesis), whole=a.whole, gate=list(a.gate), width=c["width"], step=c["step"], spent=c["spent"], fitted=a.samples), a.out)


if __name__ == "__main__":
    main()
