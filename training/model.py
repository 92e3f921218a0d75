"""Localizers. Every network takes (pixels N x 3 x H x W 0..1, dct N x K x H/8 x W/8, qtable N x 64) and returns logits:
mask N x 1 x h x w, score N x 1, evidence N x 1 x h' x w' (what the score was pooled from). `Serving` turns them into probabilities."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def conv(i, o, k=3, d=1, s=1):
    return nn.Sequential(nn.Conv2d(i, o, k, s, d * (k // 2), d, bias=False), nn.BatchNorm2d(o))


class Residual(nn.Module):
    def __init__(self, c, dilation):
        super().__init__()
        self.a, self.b = conv(c, c, d=dilation), conv(c, c)

    def forward(self, x):
        return F.relu(x + self.b(F.relu(self.a(x))))


class Trunk(nn.Module):
    """Residual pairs at 1/8 resolution; half way the whole picture's mean and spread are told to every place."""

    def __init__(self, c, dilations=(1, 1, 2, 2, 3, 4, 4)):
        super().__init__()
        self.blocks = nn.ModuleList(Residual(c, d) for d in dilations)
        self.context = nn.Sequential(nn.Linear(2 * c, c), nn.ReLU(), nn.Linear(c, c))

    def forward(self, x):
        for i, block in enumerate(self.blocks):
            if i == len(self.blocks) // 2:
                mean = x.mean((2, 3))
                spread = ((x - mean[:, :, None, None]) ** 2).mean((2, 3)).add(1e-4).sqrt()
                x = F.relu(x + self.context(torch.cat([mean, spread], 1))[:, :, None, None])
            x = block(x)
        return x


class Heads(nn.Module):
    """Mask logits, and an image logit pooled by a soft maximum from an evidence map (so that a small forgery counts)."""

    def __init__(self, c):
        super().__init__()
        self.mask = nn.Sequential(conv(c, c // 2), nn.ReLU(), nn.Conv2d(c // 2, 1, 1))
        self.evidence = nn.Conv2d(c, 1, 1)
        self.scale = nn.Parameter(torch.tensor([1.0, 0.0]))
        nn.init.constant_(self.mask[-1].bias, -2.0)

    def forward(self, x):
        with torch.autocast(x.device.type, enabled=False):
            return self.pool(x.float())

    def pool(self, x):
        e = self.evidence(x)
        peak = torch.logsumexp((4 * e).flatten(1), 1) / 4 - torch.log((torch.ones_like(e).sum((1, 2, 3)))) / 4
        return self.mask(x), (self.scale[0] * peak + self.scale[1])[:, None], e


class JpegTrunk(nn.Module):
    """Quantised coefficients -> features. |c| one-hot up to 10 (histogram holes and spikes are the trace of an earlier save),
    the signed value, its dequantised size, and cos(2 pi D / p) of the dequantised value D: high where D sits on a comb of period p,
    the step of an earlier table whatever the present one is. The table modulates all of it. The stem stays in float32 under
    autocast (bfloat16 cannot hold the coefficients); the trunk, where the work is, may run in bfloat16."""

    def __init__(self, c=64, k=28, bins=11, combs=15, periods=range(2, 13)):
        super().__init__()
        self.k, self.combs = k, combs
        self.register_buffer("bins", torch.arange(bins).float())
        self.register_buffer("periods", torch.tensor([6.2831853 / p for p in periods]))
        wide = k * bins + 2 * k + combs * len(periods)
        self.table = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 2 * 96))
        self.embed = nn.Conv2d(wide, 96, 1, bias=False)
        self.norm = nn.BatchNorm2d(96)
        self.reduce = conv(96, c, 1)
        self.trunk = Trunk(c)

    def forward(self, dct, qtable):
        with torch.autocast(dct.device.type, enabled=False):
            x = self.stem(dct, qtable)
        return self.trunk(x.to(memory_format=torch.channels_last))

    def stem(self, dct, qtable):
        n, k, h, w = dct.shape
        a, real = dct.abs(), dct * qtable[:, :k, None, None]
        onehot = F.relu(1 - (a.unsqueeze(2) - self.bins.view(1, 1, -1, 1, 1)).abs()).flatten(1, 2)
        comb = real[:, 1:1 + self.combs].unsqueeze(2)
        comb = ((comb * self.periods.view(1, 1, -1, 1, 1)).cos() * a[:, 1:1 + self.combs].unsqueeze(2).clamp(0, 1)).flatten(1, 2)
        x = torch.cat([onehot, dct.clamp(-20, 20) * 0.1, (real.abs() + 1).log() * 0.3, comb], 1)
        gain, shift = self.table((qtable + 1).log() - 2).chunk(2, 1)
        x = self.norm(self.embed(x)) * (1 + gain[:, :, None, None]) + shift[:, :, None, None]
        return F.relu(self.reduce(F.relu(x)))


class JpegNet(nn.Module):
    """The JPEG branch alone."""
    uses_pixels = False

    def __init__(self, width=64):
        super().__init__()
        self.jpeg, self.heads = JpegTrunk(width), Heads(width)

    def forward(self, pixels, dct, qtable):
        mask, score, evidence = self.heads(self.jpeg(dct, qtable))
        if not self.training:  # no JPEG, no opinion
            has = (qtable.amax(1) > 0).float().view(-1, 1, 1, 1)
            mask, score, evidence = mask * has - 6 * (1 - has), score * has[:, :, 0, 0], evidence * has
        return mask, score, evidence


ARCHITECTURES = {"jpeg": JpegNet}


def build(arch, **options):
    return ARCHITECTURES[arch](**options)


class Serving(nn.Module):
    """A localizer as it is served: logits -> mask and score probabilities, evidence -> activation >= 0. Export this."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixels, dct, qtable):
        mask, score, evidence = self.net(pixels, dct, qtable)
        return mask.sigmoid(), score.sigmoid(), F.relu(evidence)
