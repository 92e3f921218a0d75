"""Traces of generators: fixed statistics of pixels, read linearly, for fully synthetic faces.

Too few generated faces are at hand to learn what a generator leaves, but enough to weigh what forensics knows to look at: joint histograms of four
neighbouring quantised high-pass residuals (SPAM, SRM), in grey, in each colour, in colour differences and at half and quarter size, and the spread of
8x8 DCT coefficients on and off the JPEG grid. All of it runs inside the exported network. textures.py sees what is larger; fit_score.py weighs both.
"""
import itertools
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
    """pixels N x 3 x H x W in 0..1 (H, W multiples of 8, the file's own pixels) -> N x `count` statistics."""

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
