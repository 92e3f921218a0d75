"""The deepfake localizer: one face crop, its spectra, and what the coefficient branch of the shallowfake localizer sees in it."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from layers import Heads, Residual
from model import JpegTrunk, PixelCoefficients
from textures import Reading, Textures
from traces import Traces


def dct_bank():
    """The 64 orthonormal 8 x 8 DCT-II basis pictures in zigzag order: 64 x 8 x 8."""
    k, n = np.mgrid[:8, :8]
    d = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 0.5)
    order = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
    return torch.tensor(np.stack([np.outer(d[i // 8], d[i % 8]) for i in order]), dtype=torch.float32)


class Spectrum(nn.Module):
    """Local spectra, fixed: 8 x 8 DCT every 4 pixels of Y (all 64), Cb and Cr (first 15) as log magnitudes, where blur, noise,
    resampling, compression and generators leave their traces; and the lowest coefficients with their sign, where the face is.
    N x 3 x H x W in 0..1 -> N x 106 x H/4 x W/4. Always fp32: bf16 has fewer digits than the high frequencies need."""

    def __init__(self):
        super().__init__()
        d = dct_bank()
        ycc = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
        w = [ycc[c][None, :, None, None] * d[:n, None] for c, n in ((0, 64), (1, 15), (2, 15))]
        self.register_buffer("weight", torch.cat(w) * 255)

    def forward(self, x):
        c = F.conv2d(F.pad(x - 0.45, (2, 2, 2, 2), mode="replicate"), self.weight, stride=4)
        low = torch.cat([c[:, :6], c[:, 64:67], c[:, 79:82]], 1) / 200
        return torch.cat([torch.log1p(c.abs()) - 1, low], 1)


def conv(i, o, k=3, stride=1, dilation=1):
    return nn.Sequential(nn.Conv2d(i, o, k, stride, dilation * (k // 2), dilation, bias=False), nn.BatchNorm2d(o))


class Block(nn.Module):
    def __init__(self, i, o, stride=1, dilation=1):
        super().__init__()
        self.a, self.b = conv(i, o, 3, stride, dilation), conv(o, o, 3, 1, dilation)
        self.skip = nn.Identity() if i == o and stride == 1 else conv(i, o, 1, stride)

    def forward(self, x):
        return F.relu(self.skip(x) + self.b(F.relu(self.a(x))))


class FaceNet(nn.Module):
    """pixels N x 3 x 256 x 256 in 0..1, the file's coefficients N x 28 x 32 x 32 and table N x 64 (zero: none) -> mask logits N x 1 x 64 x 64,
    image logit N x 1, class-activation map N x 1 x 16 x 16 (>= 0).
    A fixed local spectrum and a thin learned pixel branch meet at 1/4; what the shallowfake localizer's coefficient branch sees (frozen: it
    was trained on far more pictures than there are faces) joins at 1/8; the rest works at 1/4 to 1/16, where a CPU can afford it.
    The detection head is linear: the mean of a signed map (its positive part is the activation map, so that map is exact) plus a
    linear term on statistics of the whole crop that fit_score.py adds after training."""

    def __init__(self, w=40):
        super().__init__()
        self.spectrum, self.enter = Spectrum(), conv(106, w, 1)
        self.common, self.context3 = nn.Conv2d(106, w, 1), nn.Conv2d(2 * w, 2 * w, 1)      # what the whole crop has in common: blends differ from it
        for c in (self.common, self.context3):
            nn.init.zeros_(c.weight); nn.init.zeros_(c.bias)
        self.pixels = nn.Sequential(conv(3, 16, 5, 2), nn.ReLU(), conv(16, w, 3, 2))
        self.s2 = Block(w, w)                                                                 # 1/4
        self.s3 = nn.Sequential(Block(w, 2 * w, 2), Block(2 * w, 2 * w))                      # 1/8
        self.s4 = nn.Sequential(Block(2 * w, 4 * w, 2), Block(4 * w, 4 * w, 1, 2))            # 1/16
        self.context = nn.Conv2d(4 * w, 4 * w, 1)
        self.l4, self.l3, self.l2 = conv(4 * w, 2 * w, 1), conv(2 * w, 2 * w, 1), conv(w, w, 1)
        self.d3, self.d2 = conv(2 * w, w), conv(w, w)
        self.mask = nn.Conv2d(w, 1, 3, padding=1)
        self.own, self.jpeg, self.jpeg_heads = PixelCoefficients(), JpegTrunk(64), Heads(64)  # frozen
        self.history = nn.Sequential(conv(67, 2 * w), nn.ReLU(), Residual(2 * w, 1))
        self.join3, self.join_d3 = nn.Conv2d(2 * w, 2 * w, 1), nn.Conv2d(2 * w, 2 * w, 1)
        self.score, self.pooled = nn.Conv2d(4 * w, 1, 1), nn.Linear(8 * w + 3 * 94 + 3, 1)
        for c in (self.join3, self.join_d3, self.pooled):                                     # fit_score.py fills `pooled` once the rest is trained
            nn.init.zeros_(c.weight); nn.init.zeros_(c.bias)

    blind = False                                                                             # True hides the coefficient branch: the ablation

    def known(self, pixels, dct, qtable):
        """What the frozen coefficient branch sees: N x 67 x 32 x 32 (features, its own mask, whether the file had a JPEG and how coarse a table)."""
        if self.blind:
            return pixels.new_zeros(pixels.shape[0], 67, pixels.shape[2] // 8, pixels.shape[3] // 8)
        with torch.autocast(pixels.device.type, enabled=False):
            has = (qtable.amax(1) > 0).float().view(-1, 1, 1, 1)
            dct, qtable = self.own(pixels, dct, qtable)
            f = self.jpeg(dct, qtable)
            facts = torch.cat([has, (qtable.mean(1).log() / 4).view(-1, 1, 1, 1)], 1)
            return torch.cat([f, self.jpeg_heads(f)[0] / 4, facts.expand(-1, -1, *f.shape[2:])], 1)

    @staticmethod
    def statistics(f2, f3, history, spectrum, mask):
        """What the crop is like as a whole, N x (8w + 285): means and spreads of features and spectra, centre against all, the mask's level."""
        mean = lambda t: t.mean((2, 3))
        spread = lambda t: (mean(t * t) - mean(t) ** 2).clamp(min=1e-6).sqrt()
        s, m = spectrum[:, :94], mask.flatten(1)
        return torch.cat([mean(f2), spread(f2), mean(f3), mean(history), spread(history), mean(s), spread(s), mean(s[:, :, 16:48, 16:48]) - mean(s),
                          m.mean(1, keepdim=True), m.topk(205, 1).values.mean(1, keepdim=True), spread(mask)], 1)

    def look(self, x, dct=None, qtable=None, known=None):
        """(mask logits, the signed map, what the heads read of the whole crop: N x (12w + 285))."""
        known = self.known(x, dct, qtable) if known is None else known
        with torch.autocast(x.device.type, enabled=False):
            spectrum = self.spectrum(x.float())
        f2 = self.s2(F.relu(self.enter(spectrum) + self.common(spectrum.mean((2, 3), keepdim=True)) + self.pixels((x - 0.45) * 4)))
        history = self.history(known.contiguous(memory_format=torch.channels_last))
        f3 = F.relu(self.s3(f2) + self.join3(history))
        f3 = F.relu(f3 + self.context3(f3.mean((2, 3), keepdim=True)))
        f4 = self.s4(f3)
        f4 = F.relu(f4 + self.context(f4.mean((2, 3), keepdim=True)))
        up = lambda t: F.interpolate(t, scale_factor=2, mode="nearest")
        y = F.relu(self.d3(up(self.l4(f4)) + self.l3(f3) + self.join_d3(history)))
        y = F.relu(self.d2(up(y) + self.l2(f2)))
        mask, signed = self.mask(y).float(), self.score(f4).float()
        return mask, signed, None if self.training else torch.cat([f4.mean((2, 3)), self.statistics(f2, f3, history, spectrum, mask)], 1)

    def judge(self, signed, features):
        """The image logit: blended or not."""
        return signed.mean((2, 3)) + self.pooled(features[:, self.score.weight.shape[1]:])

    def forward(self, x, dct=None, qtable=None, known=None):
        mask, signed, features = self.look(x, dct, qtable, known)
        return mask, signed.mean((2, 3)) if self.training else self.judge(signed, features), F.relu(signed)


class Served(nn.Module):
    """What is exported: probabilities. Three witnesses speak of a crop: FaceNet (blended or not), the textures (blended or not; generated or not) and
    generators' traces (generated or not); log-odds of one question add up, as fit_score.py has weighed them. The score says that the face was blended or that
    it was generated, whichever speaks louder: 1 - (1 - p)(1 - q), p lowered by `calm` log-odds, so that two witnesses who know nothing do not add up to an
    accusation. Where it is very clear that the face was generated (log-odds above `whole`) the whole crop is the mask."""

    def __init__(self, net, whole=4.0, calm=0.3):
        super().__init__()
        self.net, self.traces, self.textures, self.whole, self.calm = net, Traces(), Textures(), whole, calm
        self.of_traces, self.of_textures = Reading(self.traces.count, 1), Reading(self.textures.count, 2)

    def logits(self, pixels, dct, qtable):
        mask, signed, features = self.net.look(pixels, dct, qtable)
        textures = self.of_textures(self.textures(pixels))
        blended, made = self.net.judge(signed, features) + textures[:, :1], self.of_traces(self.traces(pixels)) + textures[:, 1:]
        clean = F.softplus(blended - self.calm) + F.softplus(made)           # -log of (1 - p)(1 - q)
        score = clean + torch.log1p(-torch.exp(-clean).clamp(max=1 - 1e-6))
        return torch.maximum(mask, (made - self.whole)[:, :, None, None]), score, F.relu(signed), blended, made

    def forward(self, pixels, dct, qtable):
        mask, score, activation, _, _ = self.logits(pixels, dct, qtable)
        return torch.sigmoid(mask), torch.sigmoid(score), activation


def load(path):
    """The served network of a checkpoint that fit_score.py wrote."""
    c = torch.load(path, map_location="cpu")
    served = Served(FaceNet(c["width"]), c["whole"], c["calm"])
    full = lambda state: {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    served.net.load_state_dict(full(c["mean"]))
    for name, part in served.named_children():
        if name in c:
            part.load_state_dict(full(c[name]))
    served.eval().net.jpeg.freeze()
    return served, c
