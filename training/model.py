"""Localizers. Every network takes (pixels N x 3 x H x W 0..1, dct N x K x H/8 x W/8, qtable N x 64; `fused` also pixels N x H x W x 3 bytes, as it is served) and returns logits:
mask N x 1 x h x w, score N x 1, evidence N x 1 x h' x w' (what the score was pooled from). `Serving` turns them into probabilities."""
import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from data import DCT8, ZIGZAG
from layers import Heads, Residual, Trunk, conv, dice_loss, localization_loss, truth
from upernet import UperNetBayar


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

    def freeze(self):
        """For export: the same stem in fewer passes over memory. The coefficients are whole numbers, so what |c|'s one-hot says to an output is a
        piecewise linear function of |c| with knots at 0..bins, a sum of hinges relu(|c| - j) that one convolution lays out; a comb's factor
        min(|c|, 1) only takes cos 0 = 1 away where c is 0, which the first of those knots can do; the normalisation goes into the weights; and the
        convolution over all is a sum of one for each kind, so that nothing is concatenated."""
        gain = self.norm.weight / (self.norm.running_var + self.norm.eps).sqrt()
        w, k, b = (self.embed.weight[:, :, 0, 0] * gain[:, None]).detach(), self.k, len(self.bins)
        at, rest, comb = w[:, :k * b].reshape(-1, k, b).clone(), w[:, k * b:k * (b + 2)], w[:, k * (b + 2):]
        at[:, 1:1 + self.combs, 0] -= comb.view(len(w), self.combs, -1).sum(2)
        slope = F.pad(at, (0, 1))[:, :, 1:] - at                                 # from knot to knot; beyond the last it is 0
        bend = slope - F.pad(slope, (1, 0))[:, :, :-1]
        spread = torch.eye(k).repeat_interleave(b, 0)
        bias = (self.norm.bias - self.norm.running_mean * gain).detach() + at[:, :, 0].sum(1)
        comb = F.pad(comb, (0, -comb.shape[1] % 16))                             # whole blocks of channels, as the engine lays them out
        self.frozen = [t[:, :, None, None] if t.dim() == 2 else t for t in (spread, -torch.arange(b).float().repeat(k), bend.flatten(1), bias, rest, comb)]

    frozen = None

    def stem(self, dct, qtable):
        if self.frozen:
            return self.frozen_stem(dct, qtable)
        n, k, h, w = dct.shape
        a, real = dct.abs(), dct * qtable[:, :k, None, None]
        onehot = F.relu(1 - (a.unsqueeze(2) - self.bins.view(1, 1, -1, 1, 1)).abs()).flatten(1, 2)
        comb = real[:, 1:1 + self.combs].unsqueeze(2)
        comb = ((comb * self.periods.view(1, 1, -1, 1, 1)).cos() * a[:, 1:1 + self.combs].unsqueeze(2).clamp(0, 1)).flatten(1, 2)
        x = torch.cat([onehot, dct.clamp(-20, 20) * 0.1, (real.abs() + 1).log() * 0.3, comb], 1)
        gain, shift = self.table((qtable + 1).log() - 2).chunk(2, 1)
        x = self.norm(self.embed(x)) * (1 + gain[:, :, None, None]) + shift[:, :, None, None]
        return F.relu(self.reduce(F.relu(x)))

    def frozen_stem(self, dct, qtable):
        spread, knots, bend, bias, rest, comb = self.frozen
        real = dct * qtable[:, :self.k, None, None]
        hinges = F.relu(F.conv2d(dct.abs().clamp(max=len(self.bins)), spread, knots))
        waves = (real[:, 1:1 + comb.shape[1] // len(self.periods)].unsqueeze(2) * self.periods.view(1, 1, -1, 1, 1)).flatten(1, 2).cos()
        x = F.conv2d(hinges, bend, bias) + F.conv2d(waves, comb) + F.conv2d(torch.cat([dct.clamp(-20, 20) * 0.1, (real.abs() + 1).log() * 0.3], 1), rest)
        gain, shift = self.table((qtable + 1).log() - 2).chunk(2, 1)
        return F.relu(self.reduce(F.relu(x * (1 + gain[:, :, None, None]) + shift[:, :, None, None])))


@torch.jit.script_if_tracing
def transformed_where_absent(pixels, dct, has, grey, up, basis, level, whole: bool):
    """dct, and where a picture of the batch has none (`has` 0) what `basis` makes of its pixels (`whole`: bytes N x H x W x 3). Exported as a branch: a batch of JPEG files does not pay for it."""
    if bool((has < 1).any()):
        planes = pixels.float()
        if whole:
            planes = planes.permute(0, 3, 1, 2)
        luma = (grey @ planes.flatten(2) + up).round().view(-1, 1, planes.shape[2], planes.shape[3])
        dct = torch.where(has[:, :, None, None] > 0, dct, F.conv2d(luma, basis, level, stride=8).round())
    return dct


class PixelCoefficients(nn.Module):
    """Without a JPEG the network transforms the pixels itself, as a file whose table is all ones: earlier saves on the same grid,
    grain and blur still show in those coefficients. Fixed weights, an 8x8 convolution of stride 8."""

    def __init__(self, k=28):
        super().__init__()
        basis = np.einsum("ui,vj->uvij", DCT8, DCT8).reshape(64, 1, 8, 8)[ZIGZAG[:k]]
        self.register_buffer("basis", torch.from_numpy(np.ascontiguousarray(basis)), persistent=False)
        self.register_buffer("grey", torch.tensor([[0.299, 0.587, 0.114]]), persistent=False)
        self.register_buffer("up", torch.tensor([2e-4]), persistent=False)      # luma comes in thousandths: no half is left to the last bit of a sum
        self.register_buffer("level", -128 * self.basis.sum((1, 2, 3)), persistent=False)

    def forward(self, pixels, dct, qtable):
        has = (qtable.amax(1) > 0).float().view(-1, 1)
        whole = pixels.dtype == torch.uint8
        return transformed_where_absent(pixels, dct, has, self.grey if whole else 255 * self.grey, self.up, self.basis, self.level, whole), qtable + (1 - has)


class JpegNet(nn.Module):
    """The JPEG branch alone."""
    uses_pixels = False

    def __init__(self, width=64):
        super().__init__()
        self.own, self.jpeg, self.heads = PixelCoefficients(), JpegTrunk(width), Heads(width)

    def forward(self, pixels, dct, qtable):
        if pixels is not None:
            with torch.autocast(pixels.device.type, enabled=False):
                dct, qtable = self.own(pixels, dct, qtable)
        return self.heads(self.jpeg(dct, qtable))


class CopyMoveNet(nn.Module):
    """Self-correlation. The picture is brought to a fixed size (both ends of a copy are squeezed alike), described at stride 4 by a small
    learned network, and every place looks for its double elsewhere. A double is evidence only when its neighbours' doubles lie at the same
    offset and point back: those agreements, not the raw similarity, go to the mask network."""
    uses_pixels, draw = True, "copy_move_sample"
    GRID, NEAR = 64, 5  # 64 x 64 places on a 256 x 256 picture; doubles nearer than 5 places are the place itself

    def __init__(self, width=32, dim=32):
        super().__init__()
        w = width
        self.describe = nn.Sequential(conv(3, w, s=2), nn.ReLU(), conv(w, w, s=2), nn.ReLU(), conv(w, 2 * w), nn.ReLU(), conv(2 * w, 2 * w, d=2), nn.ReLU(), nn.Conv2d(2 * w, dim, 1))
        self.read = nn.Sequential(conv(10, w), nn.ReLU(), Residual(w, 1), Residual(w, 2), Residual(w, 4), Residual(w, 1))
        self.heads = Heads(w)
        g = self.GRID
        pos = torch.stack(torch.meshgrid(torch.arange(g), torch.arange(g), indexing="ij"), -1).view(-1, 2).float()
        self.register_buffer("pos", pos)
        line = torch.arange(g)
        self.register_buffer("close", ((line[:, None] - line[None]).abs() < self.NEAR).float())

    def squeeze(self, pixels):
        side = 8 * self.GRID  # twice the wanted size, then averaged: large pictures alias less
        if pixels.dtype == torch.uint8:
            rows = self.rows(pixels, side).permute(0, 3, 1, 2) / 255
            return F.avg_pool2d(F.interpolate(rows, size=(side // 2, side), mode="bilinear", align_corners=False), (1, 2))
        return F.avg_pool2d(F.interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False), 2)

    @staticmethod
    def rows(pixels, side):
        """Bytes N x H x W x 3 brought to `side` rows, bilinear, two and two averaged: only the rows that are looked at become floats."""
        height = torch.as_tensor(pixels.shape[1])
        at = ((torch.arange(side) + 0.5) * (height / side) - 0.5).clamp(min=0)
        low = at.floor()
        high = torch.minimum(low + 1, height - 1.0)
        upper, lower = (pixels.index_select(1, i.long()).float() for i in (low, high))
        return (upper + (lower - upper) * (at - low).view(1, -1, 1, 1)).view(pixels.shape[0], side // 2, 2, -1, 3).mean(2)

    def descriptors(self, pixels):
        with torch.autocast(pixels.device.type, enabled=False):
            x = self.squeeze(pixels) * 4 - 2
        return F.normalize(self.describe(x.contiguous(memory_format=torch.channels_last)).float().flatten(2).transpose(1, 2), dim=2)  # N x 4096 x dim

    def best(self, d):
        """Highest similarity of each place to any place not beside it, and where: N x 4096 each. A few grid rows at a time, so that the
        similarities stay in the cache. The highest of each grid row first, then where in the best row: maxima are faster found than their
        places. `zero` keeps the exporter from folding the neighbourhood into a constant of megabytes."""
        g, n, near = self.GRID, d.shape[0], self.NEAR - 1
        rows = 8 if n == 1 or torch.onnx.is_in_onnx_export() else 1
        keys, zero, best, at = d.transpose(1, 2), 0 * d[:1, :1, :1].view(1, 1, 1, 1), [], []
        for y in range(0, g, rows):
            lo, hi = max(0, y - near), min(g, y + rows + near)                    # the only grid rows with places beside these
            parts = [(a, b) for a, b in ((0, lo), (lo, hi), (hi, g)) if a < b]
            found = [(d[:, y * g:(y + rows) * g] @ keys[:, :, a * g:b * g]).view(-1, rows * g, b - a, g) for a, b in parts]
            beside = (4 * self.close[y:y + rows, lo:hi].reshape(rows, 1, -1, 1) + zero) * self.close.view(1, g, 1, g)
            middle = parts.index((lo, hi))
            found[middle] = found[middle] - beside.view(1, rows * g, hi - lo, g)
            top, row = torch.cat([corr.amax(3) for corr in found], 2).max(2, keepdim=True)
            line = 0
            for (a, b), corr in zip(parts, found):
                mine = torch.gather(corr, 2, (row - a).clamp(0, b - a - 1)[..., None].expand(-1, -1, 1, g))[:, :, 0]
                line = mine if a == 0 else torch.where(row >= a, mine, line)
            best.append(top[:, :, 0]), at.append(row[:, :, 0] * g + line.argmax(2))
        return torch.cat(best, 1), torch.cat(at, 1)

    def doubles(self, d):
        """What each place knows of its best double: N x 10 x 64 x 64."""
        g = self.GRID
        best, at = self.best(d)
        offset = (self.pos[at] - self.pos).transpose(1, 2).view(-1, 2, g, g)
        back = (self.pos[torch.gather(at, 1, at)] - self.pos).abs().amax(2).view(-1, 1, g, g)
        best = best.view(-1, 1, g, g)
        agree = []
        for r in (1, 2, 4):  # how many of the neighbours at distance r share the offset
            p = F.pad(offset, (r, r, r, r), value=1e3)
            near = [((p[:, :, r + dy:r + dy + g, r + dx:r + dx + g] - offset).abs().amax(1, keepdim=True) <= 1).float() for dy in (-r, 0, r) for dx in (-r, 0, r) if dy or dx]
            agree.append(sum(near) / 8)
        all_agree = agree[0] * agree[1]
        return torch.cat([best, best.clamp(min=0.5) * 2 - 1, (-back).exp(), *agree, all_agree, F.avg_pool2d(all_agree, 5, 1, 2, count_include_pad=False),
                          offset.abs() / g], 1)

    def forward(self, pixels, dct=None, qtable=None):
        d = self.descriptors(pixels)
        if self.training:
            self.last = d
        with torch.no_grad():
            seen = self.doubles(d.detach())
        f = self.read(seen.contiguous(memory_format=torch.channels_last))
        self.features = f
        return self.heads(f)

    def loss(self, out, batch):
        """Mask of copy and source together, and InfoNCE of the descriptors at the true pairs."""
        mask, score, _ = out
        g, d = self.GRID, self.last
        target = F.interpolate(batch["both"][:, None].float() / 255, size=(4 * g, 4 * g), mode="area")
        target = F.avg_pool2d(target, 4)
        bce = F.binary_cross_entropy_with_logits(mask.float(), target, pos_weight=torch.tensor(2.0))
        dice = dice_loss(mask.float().sigmoid(), target)
        a, b, n = batch["pairs"][:, :, 0].long(), batch["pairs"][:, :, 1].long(), batch["pairs"][:, :, 0] >= 0
        rows = torch.gather(d, 1, a.clamp(min=0).unsqueeze(2).expand(-1, -1, d.shape[2]))
        i = a.clamp(min=0)
        near = self.close[i // g].unsqueeze(3) * self.close[i % g].unsqueeze(2)
        logits = 20 * rows @ d.transpose(1, 2) - 40 * near.flatten(2)
        nce = F.cross_entropy(logits.flatten(0, 1), b.clamp(min=0).flatten(), reduction="none")
        nce = (nce * n.flatten()).sum() / n.sum().clamp(min=1)
        image = F.binary_cross_entropy_with_logits(score[:, 0].float(), batch["label"])
        return 1.5 * bce + 0.4 * dice + 0.1 * image + 0.2 * nce, {"bce": bce.item(), "dice": dice.item(), "image": image.item(), "nce": nce.item()}


class Level(nn.Module):
    """One shift of the whole mask's logit, so that 0.5 is the right threshold in this picture too: faint traces (a coarse last save) want a lower
    one than strong traces, an unsuspicious picture a higher one. Reads how much area lies above each of nine thresholds, the score, and how
    coarse the table is. Trained for the F1 at 0.5 alone, on masks that it cannot change otherwise."""

    def __init__(self):
        super().__init__()
        self.register_buffer("cuts", torch.linspace(-4, 4, 9).view(1, 9, 1, 1), persistent=False)
        self.read = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1))
        nn.init.zeros_(self.read[-1].weight), nn.init.zeros_(self.read[-1].bias)

    def forward(self, mask, score, facts):
        area = (2 * (mask - self.cuts)).sigmoid().mean((2, 3))
        return mask + self.read(torch.cat([(area + 1e-3).log() / 3, score, facts], 1))[:, :, None, None]


class FusedNet(nn.Module):
    """What is served: coefficients (64 channels at 1/8) and copy-move (32), read together with a flag that says whether the coefficients are
    the file's own and how coarse its table is. The coefficient branch's own mask stays in as a shortcut. Both branches are trained before and
    stay frozen, so what they see of a sample is computed once, in the loader (`prepare`), and can be trained on many times (--cache)."""
    uses_pixels = True

    def __init__(self, width=64, head=48):
        super().__init__()
        self.own, self.jpeg, self.jpeg_heads, self.copymove = PixelCoefficients(), JpegTrunk(width), Heads(width), CopyMoveNet()
        self.join = conv(width + 1 + 33 + 2, head, 1)
        self.mix = nn.Sequential(Residual(head, 1), Residual(head, 2))
        self.heads = Heads(head)
        self.keep, self.level = nn.Parameter(torch.tensor(0.7)), Level()
        self.size = nn.Parameter(torch.tensor(-0.7))  # the soft maximum of evidence finds more to point at in a larger picture, whatever is in it
        nn.init.constant_(self.heads.mask[-1].bias, 0.0)

    @staticmethod
    def rename(key):
        """Where the tensors of a separately trained branch belong: jpeg runs have `jpeg.` and `heads.`, copy-move runs are whole."""
        return "jpeg_" + key if key.startswith("heads.") else key

    def known(self, pixels, dct, qtable):
        """All that the frozen branches say: N x (own mask, features, copy-move, facts) x H/8 x W/8."""
        has = (qtable.amax(1) > 0).float().view(-1, 1, 1, 1)
        dct, qtable = self.own(pixels, dct, qtable)
        f = self.jpeg(dct, qtable)
        own, _, _ = self.jpeg_heads(f)
        copied, _, _ = self.copymove(pixels)
        seen = F.interpolate(torch.cat([copied, self.copymove.features], 1), size=f.shape[2:], mode="bilinear", align_corners=False)
        coarse = (qtable.mean(1).log() / 4).view(-1, 1, 1, 1)
        return torch.cat([own, f, seen, torch.cat([has, coarse], 1).expand(-1, -1, *f.shape[2:])], 1)

    def prepare(self):
        """Replaces a sample's inputs by what the frozen branches see in them: work for the loader's processes."""
        frozen = copy.deepcopy(self).cpu().eval()
        frozen.jpeg.freeze()

        def add(item):
            with torch.no_grad():
                pixels = torch.from_numpy(item.pop("pixels")).permute(2, 0, 1)[None].float() / 255
                item["known"] = frozen.known(pixels, torch.from_numpy(item.pop("dct"))[None], torch.from_numpy(item.pop("qtable"))[None])[0].half().numpy()
            return item
        return add

    def forward(self, pixels=None, dct=None, qtable=None, known=None):
        known = self.known(pixels, dct, qtable) if known is None else known.float()
        x = self.mix(F.relu(self.join(known.contiguous(memory_format=torch.channels_last))))
        mask, score, evidence = self.heads(x)
        score = score + self.size * (torch.ones_like(mask).sum((2, 3)) / 1536).log()          # 1536 places: a tile of 256 x 384
        self.plain = mask + self.keep * known[:, :1]
        return self.level(self.plain.detach(), score.detach(), known[:, -2:].mean((2, 3))), score, evidence

    def loss(self, out, batch):
        """The plain mask as every localizer's; the shift by dice of nearly hard masks on forged pictures and by what it marks on authentic ones."""
        mask, score, evidence = out
        loss, parts = localization_loss((self.plain, score, evidence), batch)
        hard, target = (2 * mask).sigmoid(), truth(batch, mask)
        authentic = (target.sum((1, 2, 3)) <= 1).float()
        haze = (hard.mean((1, 2, 3)) * authentic).sum() / authentic.sum().clamp(min=1)
        level = dice_loss(hard, target)
        return loss + level + haze, {**parts, "level": level.item(), "haze": haze.item()}


ARCHITECTURES = {"upernet-bayar": UperNetBayar, "jpeg": JpegNet, "copymove": CopyMoveNet, "fused": FusedNet}


def build(arch, **options):
    return ARCHITECTURES[arch](**options)


class Serving(nn.Module):
    """A localizer as it is served: logits -> mask and score probabilities, evidence -> activation >= 0. Export this.
    The mask's logit is shifted by `bias` (bias.py chose it) and, where the picture as a whole gives little reason for suspicion, lowered by
    gate[1] for every unit of the score's logit below gate[0]: the haze on authentic photographs is not drawn."""

    def __init__(self, net, mask_bias=0.0, mask_gate=(0.0, 0.0)):
        super().__init__()
        self.net, self.mask_bias, self.mask_gate = net, mask_bias, mask_gate

    def forward(self, pixels, dct, qtable):
        mask, score, evidence = self.net(pixels, dct, qtable)
        start, slope = self.mask_gate
        lower = slope * F.relu(start - score)[:, :, None, None]
        return (mask + self.mask_bias - lower).sigmoid(), score.sigmoid(), F.relu(evidence)
