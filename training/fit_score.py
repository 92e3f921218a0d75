"""Fits the detection head once the rest is trained: logistic regression on frozen features, a convex problem solved to its optimum.

    python3 training/fit_score.py --ckpt runs/deepfake/last.pt --data DATA --blazeface FACE.onnx --out runs/deepfake/fitted.pt

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
from train_faces import FaceNet


def collect(net, faces, n, seed):
    """Features, labels and kinds (0 real, 1 blended or swapped, 2 synthetic) of about n views."""
    source, r, x, y, kind = faces_.Faces(faces), np.random.default_rng(seed), [], [], []
    while len(y) < n:
        took = sum((source.draw(r, 0.4) for _ in range(8)), [])
        with torch.no_grad():
            x.append(net(torch.from_numpy(np.stack([t[0] for t in took])).permute(0, 3, 1, 2).float() / 255, features=True).numpy())
        y += [t[2] for t in took]
        kind += [0 if not t[2] else 2 if t[1].mean() > 0.999 else 1 for t in took]
    return np.concatenate(x), np.array(y), np.array(kind)


def shift_mask(net, faces, n, seed):
    """Moves the mask's bias so that 0.5 is where the mean pixel F1 of training-split blends and swaps is highest."""
    source, r, logits, truths = faces_.Faces(faces), np.random.default_rng(seed), [], []
    while len(truths) < n:
        image, truth, _ = source.draw(r, 0.7)[1]
        with torch.no_grad():
            logits.append(net(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0][0, 0].numpy())
        truths.append(cv2.resize(truth, logits[-1].shape[::-1], interpolation=cv2.INTER_AREA) > 0.5)
    mean = lambda cut: np.mean([2 * ((q > cut) & t).sum() / max(1, (q > cut).sum() + t.sum()) for q, t in zip(logits, truths)])
    cut = max(np.arange(-2.5, 1.01, 0.05), key=mean)
    print(f"mask: F1 {mean(0):.3f} at logit 0, {mean(cut):.3f} at {cut:.2f}")
    with torch.no_grad():
        net.mask.bias -= float(cut)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ckpt", required=True); p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--samples", type=int, default=3000); p.add_argument("--seed", type=int, default=11)
    a = p.parse_args()
    torch.set_num_threads(1); cv2.setNumThreads(1)
    c = torch.load(a.ckpt, map_location="cpu")
    net = FaceNet(c["width"])
    net.load_state_dict(c["mean"], strict=False)
    net.eval()
    faces = faces_.load(a.data, "train", a.blazeface)
    x, y, _ = collect(net, [f for i, f in enumerate(faces) if i % 5], a.samples, a.seed)
    hx, _, hk = collect(net, [f for i, f in enumerate(faces) if not i % 5], a.samples // 4, a.seed + 1)
    mean, spread = x.mean(0), x.std(0) + 1e-4
    best = None
    for penalty in (3e-4, 1e-3, 3e-3, 1e-2, 3e-2):
        m = LogisticRegression(C=penalty, max_iter=500, class_weight="balanced").fit((x - mean) / spread, y)
        s = m.decision_function((hx - mean) / spread)
        each = [auc((hk[(hk == 0) | (hk == k)] > 0).astype(int), s[(hk == 0) | (hk == k)]) for k in (1, 2)]
        print(f"C {penalty}: held-out AUC blended {each[0]:.3f}, synthetic {each[1]:.3f}", flush=True)
        if best is None or sum(each) > best[0]:
            best = sum(each), m
    before = net.mask.bias.detach().clone()
    w = torch.tensor(best[1].coef_[0] / spread, dtype=torch.float32)
    k = net.score.weight.shape[1]
    with torch.no_grad():
        net.score.weight.copy_(w[:k].view(1, -1, 1, 1)); net.score.bias.zero_()
        net.pooled.weight.copy_(w[None, k:]); net.pooled.bias.fill_(float(best[1].intercept_[0] - (mean / spread * best[1].coef_[0]).sum()))
    shift_mask(net, faces, a.samples // 6, a.seed + 2)
    with torch.no_grad():                                                     # the score was fitted on the mask's level before the shift
        net.pooled.bias -= (net.pooled.weight[0, -3] + net.pooled.weight[0, -2]) * (net.mask.bias - before)
    torch.save({**c, "mean": net.state_dict(), "fitted": a.samples}, a.out)


if __name__ == "__main__":
    main()
