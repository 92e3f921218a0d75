"""Textures of generated faces: how the features of a photograph network occur together, read linearly.

Generators paint skin, hair and backgrounds that look right place by place and whose larger texture is not quite a camera's. Gram matrices of a
network's features measure texture (Gatys et al. 2015; for generated faces Liu et al. 2020, "Global texture enhancement"); a thousand faces are
enough to weigh them, though by far not enough to learn such features. The network is the first half of a ResNet-18 trained on ImageNet by
Microsoft (CNTK), frozen: the file ResNet18.onnx of the NuGet package Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1 (MIT).
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

BGR_MEAN = (104.0, 117.0, 123.0)


class Pair(nn.Module):
    """A residual pair whose normalisation is folded into its convolutions."""

    def __init__(self, i, o, stride=1):
        super().__init__()
        self.a, self.b = nn.Conv2d(i, o, 3, stride, 1), nn.Conv2d(o, o, 3, 1, 1)
        self.skip = nn.Identity() if i == o else nn.Conv2d(i, o, 1, stride)

    def forward(self, x):
        return F.relu(self.skip(x) + self.b(F.relu(self.a(x))))


class Textures(nn.Module):
    """pixels N x 3 x H x W in 0..1 -> N x `count`: cosines between every two of 128 feature maps at 1/8 resolution, then of 256 at 1/16."""

    maps = (128, 256)

    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 64, 7, 2, 3)
        self.eighth = nn.Sequential(Pair(64, 64), Pair(64, 64), Pair(64, 128, 2), Pair(128, 128))
        self.sixteenth = Pair(128, 256, 2)
        self.register_buffer("mean", torch.tensor(BGR_MEAN).flip(0).view(1, 3, 1, 1) / 255, persistent=False)
        for c in self.maps:
            i, j = np.triu_indices(c, 1)
            self.register_buffer(f"above{c}", torch.from_numpy(i * c + j), persistent=False)
        self.count = sum(c * (c - 1) // 2 for c in self.maps)
        self.requires_grad_(False)

    def cosines(self, f):
        """Of every two of N x C x h x w, the part above the diagonal: N x C (C - 1) / 2."""
        above, f = getattr(self, f"above{f.shape[1]}"), f.flatten(2)
        f = f / (f * f).mean(2, keepdim=True).sqrt().clamp(min=1e-3)
        return (f @ f.transpose(1, 2) / f.shape[2]).flatten(1).index_select(1, above)

    def forward(self, pixels):
        x = F.max_pool2d(F.relu(self.enter(pixels - self.mean)), 3, 2, 1)
        eighth = self.eighth(x)
        return torch.cat([self.cosines(eighth), self.cosines(self.sixteenth(eighth))], 1)


def pretrained(path):
    """Textures with the weights of ResNet18.onnx, rounded to half precision (what a checkpoint keeps)."""
    import onnx
    from onnx import numpy_helper
    graph = onnx.load(path).graph
    value = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    value.update({n.output[0]: numpy_helper.to_array(n.attribute[0].t) for n in graph.node if n.op_type == "Constant"})
    norm = {n.input[0]: [value[k] for k in n.input[1:]] + [next(a.f for a in n.attribute if a.name == "epsilon")] for n in graph.node if n.op_type == "BatchNormalization"}
    found = {False: [], True: []}                                            # by whether the kernel is 1 x 1: those are the skips, in order too
    for n in graph.node:
        if n.op_type == "Conv":
            gamma, beta, mean, var, epsilon = norm[n.output[0]]
            gain, weight = gamma / np.sqrt(var + epsilon), value[n.input[1]]
            found[weight.shape[-1] == 1].append((weight * gain[:, None, None, None], beta - mean * gain))
    net = Textures().eval()
    pairs = [*net.eighth, net.sixteenth]
    wide = [net.enter] + [c for p in pairs for c in (p.a, p.b)]
    for convs, weights in ((wide, found[False]), ([p.skip for p in pairs if isinstance(p.skip, nn.Conv2d)], found[True])):
        for conv, (weight, bias) in zip(convs, weights):
            if conv is net.enter:
                weight = weight[:, ::-1] * 255                               # it reads B, G, R in bytes
            conv.weight.data.copy_(torch.from_numpy(np.ascontiguousarray(weight)).half()), conv.bias.data.copy_(torch.from_numpy(bias).half())
    return net


class Reading(nn.Module):
    """What statistics say, read linearly: N x n -> N x heads log-odds, each statistic centred, scaled and clipped at five spreads."""

    def __init__(self, n, heads):
        super().__init__()
        for name, shape in (("mean", n), ("scale", n), ("weight", (n, heads)), ("bias", heads)):
            self.register_buffer(name, torch.zeros(shape))

    def centre(self, statistics):
        """Centre and scale are those of these, n_samples x n; a statistic that never varies is not heard."""
        spread = statistics.std(0)
        self.mean.copy_(torch.from_numpy(statistics.mean(0))), self.scale.copy_(torch.from_numpy(np.where(spread > 1e-4, 1 / np.maximum(spread, 1e-4), 0)))

    def normal(self, statistics):
        return ((statistics - self.mean) * self.scale).clamp(-5, 5)

    def forward(self, statistics):
        return self.normal(statistics) @ self.weight + self.bias
