"""Traces of generators: fixed statistics of pixels, read linearly, for fully synthetic faces.

There are too few generated faces at hand to learn what a generator leaves (a network trained on them reached an AUC of .67), but enough to weigh
what forensics knows to look at: joint histograms of four neighbouring quantised high-pass residuals (SPAM, SRM), in grey, in each colour, in colour
differences and at half and quarter size, and the spread of 8x8 DCT coefficients on and off the JPEG grid. All of it runs inside the exported network.
    python3 training/synthesis.py --data DATA --blazeface FACE.onnx --out runs/synthesis.pt        # fits on split=train, prints figures on split=val
"""
import argparse
import itertools
import cv2
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from data import DCT8, ZIGZAG

LEVELS = (0.5, 1.5, 2.5, 4, 6, 9, 14, 22)
# plane -> (order of the difference, step it is quantised by)
RESIDUALS = {"y": ((1, 1.0), (2, 2.0), (3, 3.0)), "r": ((1, 1.0), (2, 2.0), (3, 3.0)), "g": ((1, 1.0), (2, 2.0), (3, 3.0)), "b": ((1, 1.0), (2, 2.0), (3, 3.0)),
             "y2": ((1, 2.0), (2, 3.0)), "y4": ((1, 3.0),), "cr2": ((1, 0.5), (2, 0.7)), "cb2": ((1, 0.5),), "rg": ((1, 0.7), (2, 1.0)), "gb": ((1, 0.7),)}


def symmetric():
    """For each of the 625 quadruples of values -2..2 the number of its class: a quadruple, its mirror image and their negatives count as one."""
    seen, out = {}, []
    for v in itertools.product(range(-2, 3), repeat=4):
        out.append(seen.setdefault(min(v, v[::-1], tuple(-a for a in v), tuple(-a for a in v[::-1])), len(seen)))
    return torch.tensor(out), len(seen)


class Traces(nn.Module):
    """pixels N x 3 x H x W in 0..1 (H, W multiples of 8, the file's own pixels) -> N x `count` statistics, scaled as fitted."""

    def __init__(self):
        super().__init__()
        classes, self.classes = symmetric()
        self.register_buffer("symmetric", F.one_hot(classes).float(), persistent=False)
        basis = np.einsum("ui,vj->uvij", DCT8, DCT8).reshape(64, 1, 8, 8)[ZIGZAG]
        self.register_buffer("basis", torch.from_numpy(np.ascontiguousarray(basis)), persistent=False)
        self.count = self.classes * sum(len(v) for v in RESIDUALS.values()) + 3 * 64 * (len(LEVELS) + 1) + 3 * 128

    def quadruples(self, plane, order, step):
        """Square roots of the joint histogram of four neighbours' residuals, along rows and along columns: N x classes."""
        found = []
        for along in (plane, plane.transpose(1, 2)):
            for _ in range(order):
                along = along[:, :, 1:] - along[:, :, :-1]
            q = (along / step).round().clamp(-2, 2) + 2
            at = ((q[:, :, :-3] * 5 + q[:, :, 1:-2]) * 5 + q[:, :, 2:-1]) * 5 + q[:, :, 3:]
            found.append(at.long().flatten(1))
        found = torch.cat(found, 1)
        counts = torch.zeros(plane.shape[0], 625, device=plane.device).scatter_add(1, found, torch.ones_like(found, dtype=torch.float32))
        return (counts @ self.symmetric / found.shape[1]).sqrt()

    def coefficients(self, plane):
        return F.conv2d(plane[:, None], self.basis, stride=8).abs().flatten(2)

    @staticmethod
    def spread(a):
        """How often each coefficient's magnitude lies in each of nine ranges."""
        edges = [(a >= level).float().mean(2) for level in LEVELS]
        return torch.cat([1 - edges[0], *(p - q for p, q in zip(edges, edges[1:])), edges[-1]], 1).clamp(min=0).sqrt()

    @staticmethod
    def moments(a):
        mean = a.mean(2)
        return torch.cat([(mean + 0.1).log(), (((a - mean[:, :, None]) ** 2).mean(2).sqrt() + 0.1).log()], 1)

    def forward(self, pixels):
        r, g, b = (pixels * 255).round().unbind(1)
        y, cb, cr = 0.299 * r + 0.587 * g + 0.114 * b, -0.168736 * r - 0.331264 * g + 0.5 * b, 0.5 * r - 0.418688 * g - 0.081312 * b
        half = lambda t: F.avg_pool2d(t[:, None], 2)[:, 0]
        planes = dict(y=y, r=r, g=g, b=b, y2=half(y), y4=half(half(y)), cr2=half(cr), cb2=half(cb), rg=r - g, gb=g - b)
        out = [self.quadruples(planes[n], order, step) for n, how in RESIDUALS.items() for order, step in how]
        on = self.coefficients(y)
        out += [self.spread(on), self.spread(self.coefficients(y[:, 4:-4, 4:-4])), self.spread(self.coefficients(g[:, 4:-4, 4:-4]))]
        out += [self.moments(t) for t in (on, self.coefficients(planes["cr2"]), self.coefficients(planes["cb2"]))]
        return torch.cat(out, 1)


class Synthesis(nn.Module):
    """Log-odds that a crop is generated: pixels -> N x 1, twice. Statistics are centred, scaled, clipped at five spreads and weighed: once as
    fitted on files as they come, lightly and heavily reworked copies weighing less (`weight`, main() below), and once as fitted on files of every
    fate (`reworked`, fit_score.py)."""

    def __init__(self):
        super().__init__()
        self.traces = Traces()
        n = self.traces.count
        for name, value in (("mean", torch.zeros(n)), ("scale", torch.zeros(n)), ("weight", torch.zeros(n)), ("bias", torch.zeros(1)), ("reworked", torch.zeros(n)), ("reworked_bias", torch.zeros(1))):
            self.register_buffer(name, value)

    def forward(self, pixels):
        with torch.autocast(pixels.device.type, enabled=False):
            x = self.normal(self.traces(pixels.float()))
            return (x @ self.weight)[:, None] + self.bias, (x @ self.reworked)[:, None] + self.reworked_bias

    def normal(self, traces):
        return ((traces - self.mean) * self.scale).clamp(-5, 5)


def collect(traces, faces, copies, seed):
    """Statistics of served views of every face as its file is and of `copies` reworked versions: features, label, group, version, data set."""
    import faces as faces_
    r, rows = np.random.default_rng(seed), []
    for group, face in enumerate(faces):
        blank = np.zeros(face["image"].shape[:2], np.float32)
        for version in range(1 + copies):
            image = face["image"] if version == 0 else (faces_.light_history if version % 2 else faces_.file_history)(face["image"], r)[0]
            pixels = faces_.view(image, blank, face, r, jitter=version > 0)[0]
            with torch.no_grad():
                rows.append((traces(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)[0].numpy(), face["fake"], group, version, face["dataset"]))
    return [np.array(c) for c in zip(*rows)]


def fit(x, y, weight, c, least=1e-6):
    """Logistic regression in the space of the samples' principal axes, but for those with less than `least` of the first one's variance: (weights, intercept)."""
    from sklearn.linear_model import LogisticRegression
    if x.shape[0] > x.shape[1]:
        values, vectors = np.linalg.eigh(x.T @ x)
        basis = vectors[:, values > least * values.max()]
    else:
        values, vectors = np.linalg.eigh(x @ x.T)
        keep = values > least * values.max()
        basis = x.T @ (vectors[:, keep] / np.sqrt(values[keep]))
    m = LogisticRegression(C=c, max_iter=300, tol=1e-3).fit(x @ basis, y, sample_weight=weight)
    return basis @ m.coef_[0], m.intercept_[0]


def main():
    import faces as faces_
    from metrics import auc
    from sklearn.linear_model import LogisticRegression
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--copies", type=int, default=2); p.add_argument("--c", type=float, default=100.0); p.add_argument("--seed", type=int, default=5); p.add_argument("--cache", default="")
    a = p.parse_args()
    torch.set_num_threads(1); cv2.setNumThreads(1)
    net, sets = Synthesis().eval(), {}
    for split in ("train", "val"):
        sets[split] = collect(net.traces, faces_.load(a.data, split, a.blazeface), a.copies if split == "train" else 0, a.seed)
        if a.cache:
            np.savez(f"{a.cache}-{split}.npz", *sets[split])
    x, y, group, version, _ = sets["train"]
    mean, spread = x[version == 0].mean(0), x[version == 0].std(0)
    scale = np.where(spread > 1e-5, 1 / np.maximum(spread, 1e-5), 0) / np.sqrt(x.shape[1])
    norm = lambda v: np.clip((v - mean) * scale * np.sqrt(x.shape[1]), -5, 5) / np.sqrt(x.shape[1])
    x, weight = norm(x), np.where(version == 0, 1.0, 0.35)
    folds, held = np.random.default_rng(a.seed).integers(0, 3, group.max() + 1)[group], np.zeros(len(y))
    for f in range(3):
        w, b = fit(x[folds != f], y[folds != f], weight[folds != f], a.c)
        held[folds == f] = x[folds == f] @ w + b
    for v in range(1 + a.copies):
        print(f"held-out thirds of split=train, version {v}: AUC {auc(y[version == v].astype(int), held[version == v]):.3f}", flush=True)
    platt = LogisticRegression(C=1e6).fit(held[:, None], y, sample_weight=weight)          # odds as they are on faces not fitted on
    w, b = fit(x, y, weight, a.c)
    slope, shift = platt.coef_[0, 0], platt.intercept_[0]
    with torch.no_grad():
        for name, value in (("mean", mean), ("scale", scale * np.sqrt(x.shape[1])), ("weight", slope * w / np.sqrt(x.shape[1])), ("bias", [slope * b + shift])):
            getattr(net, name).copy_(torch.tensor(value, dtype=torch.float32))
    torch.save(net.state_dict(), a.out)
    vx, vy, _, _, vset = sets["val"]
    own = np.char.startswith(vset.astype(str), "faces")
    s = norm(vx) @ w * slope + slope * b + shift
    print(f"split=val: AUC {auc(vy[own].astype(int), s[own]):.3f} on {own.sum()} faces; over 0.5: StyleGAN {np.mean(s[own & vy] > 0):.3f}, FFHQ {np.mean(s[own & ~vy] > 0):.3f}, "
          f"faces in photographs {np.mean(s[~own] > 0):.3f} of {(~own).sum()}")


if __name__ == "__main__":
    main()
