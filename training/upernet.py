"""The paper's network (Zhang, Tohidypour, Wang, Nasiopoulos, ICNC 2023) with its width as a knob; 1 is the paper's."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from layers import conv, truth


class BayarConv(nn.Module):
    """1 -> 3 filters of 5x5 whose 24 free weights sum to 1 around a centre of -1. The constraint is applied to a copy on each forward;
    `freeze` writes it into the weights for export."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 1, 24))
        self.frozen = None

    def constrained(self):
        w = self.weight / self.weight.sum(2, keepdim=True)
        return torch.cat([w[:, :, :12], -torch.ones_like(w[:, :, :1]), w[:, :, 12:]], 2).view(3, 1, 5, 5)

    def freeze(self):
        self.frozen = self.constrained().detach()

    def forward(self, x):
        return F.conv2d(x, self.constrained() if self.frozen is None else self.frozen, padding=2)


class Bottleneck(nn.Module):
    def __init__(self, i, c, stride):
        super().__init__()
        self.net = nn.Sequential(conv(i, c, 1), nn.ReLU(), conv(c, c, s=stride), nn.ReLU(), conv(c, 4 * c, 1))
        self.skip = nn.Identity() if i == 4 * c and stride == 1 else conv(i, 4 * c, 1, s=stride)

    def forward(self, x):
        return F.relu(self.net(x) + self.skip(x))


class ResNetEncoder(nn.Module):
    """ResNet-50 with a three-convolution stem; `width` scales all channels (1 = the paper's). Levels at 1/4, 1/8, 1/16, 1/32."""

    def __init__(self, width, depths=(3, 4, 6, 3)):
        super().__init__()
        c = max(4, int(64 * width))
        self.stem = nn.Sequential(conv(3, c // 2, s=2), nn.ReLU(), conv(c // 2, c // 2), nn.ReLU(), conv(c // 2, c), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.levels, i = nn.ModuleList(), c
        for level, depth in enumerate(depths):
            o = c * 2 ** level
            self.levels.append(nn.Sequential(*[Bottleneck(i if b == 0 else 4 * o, o, 2 if b == 0 and level else 1) for b in range(depth)]))
            i = 4 * o
        self.channels = [4 * c * 2 ** level for level in range(4)]

    def forward(self, x):
        x, out = self.stem(x), []
        for level in self.levels:
            x = level(x)
            out.append(x)
        return out


def fixed_bins(x, bins):
    """Average into bins x bins by a product with fixed averaging matrices: what adaptive pooling does, and it exports with any size."""
    def rows(n):
        i = torch.arange(bins, device=x.device)
        start, end = (i * n) // bins, -((-(i + 1) * n) // bins)
        at = torch.arange(n, device=x.device)
        inside = ((at[None] >= start[:, None]) & (at[None] < end[:, None])).to(x.dtype)
        return inside / inside.sum(1, keepdim=True)
    return rows(x.shape[2]) @ x @ rows(x.shape[3]).t()


class UperNetBayar(nn.Module):
    """RGB encoder and noise encoder (grey -> BayarConv), fused level by level, Pyramid Pooling Module, feature pyramid, detection head on
    the 1/32 level, localisation head on the 1/4 level. Loss 0.04 BCE(image) + 0.16 dice(mask), Adam 1e-4 in the paper."""
    uses_pixels = True

    def __init__(self, width=0.25, pyramid=None):
        super().__init__()
        p = pyramid or max(16, int(256 * width))
        self.rgb, self.bayar, self.noise = ResNetEncoder(width), BayarConv(), ResNetEncoder(width)
        self.register_buffer("grey", torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1), persistent=False)
        channels = self.rgb.channels
        self.fuse = nn.ModuleList(nn.Sequential(conv(2 * c, c), nn.ReLU()) for c in channels)
        self.bins = (1, 2, 3, 6)
        self.pool = nn.ModuleList(nn.Sequential(nn.Conv2d(channels[3], p, 1), nn.ReLU()) for _ in self.bins)
        self.top = nn.Sequential(conv(channels[3] + 4 * p, p), nn.ReLU())
        self.lateral = nn.ModuleList(nn.Sequential(conv(c, p, 1), nn.ReLU()) for c in channels[:3])
        self.smooth = nn.Sequential(conv(p, p), nn.ReLU())
        self.detect, self.localize = nn.Conv2d(p, 1, 3, 1, 1), nn.Conv2d(p, 1, 3, 1, 1)

    def forward(self, pixels, dct=None, qtable=None):
        a, b = self.rgb(pixels), self.noise(self.bayar((pixels * self.grey).sum(1, keepdim=True)))
        levels = [f(torch.cat(pair, 1)) for f, pair in zip(self.fuse, zip(a, b))]
        size = levels[3].shape[2:]
        pooled = [F.interpolate(conv1(fixed_bins(levels[3], n)), size=size, mode="bilinear", align_corners=False) for n, conv1 in zip(self.bins, self.pool)]
        x = top = self.top(torch.cat([levels[3], *pooled], 1))
        for level, lateral in zip(levels[2::-1], list(self.lateral)[::-1]):
            x = lateral(level) + F.interpolate(x, size=level.shape[2:], mode="bilinear", align_corners=False)
        evidence = self.detect(top)
        return self.localize(self.smooth(x)), evidence.mean((2, 3)), evidence

    def loss(self, out, batch):
        mask, score, _ = (o.float() for o in out)
        target = truth(batch, mask)
        p = mask.sigmoid()
        dice = (1 - (2 * (p * target).sum((1, 2, 3)) + 1) / ((p * p).sum((1, 2, 3)) + (target * target).sum((1, 2, 3)) + 1)).mean()
        image = F.binary_cross_entropy_with_logits(score[:, 0], batch["label"])
        return 0.04 * image + 0.16 * dice, {"bce": F.binary_cross_entropy_with_logits(mask, target).item(), "dice": dice.item(), "image": image.item()}
