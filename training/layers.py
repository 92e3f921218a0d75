"""What the localizers share: convolution with normalisation, residual pairs, the trunk at 1/8 resolution, the two heads."""
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


def truth(batch, mask):
    """The batch's mask, averaged down to the grid of a predicted one."""
    step = batch["mask"].shape[-1] // mask.shape[-1]
    target = batch["mask"][:, None].float() / 255
    return F.avg_pool2d(target, step) if step > 1 else target


def dice_loss(p, target):
    """1 - soft Dice of probabilities, mean over the forged pictures."""
    forged = (target.sum((1, 2, 3)) > 1).float()
    dice = 1 - (2 * (p * target).sum((1, 2, 3)) + 1) / ((p * p).sum((1, 2, 3)) + (target * target).sum((1, 2, 3)) + 1)
    return (dice * forged).sum() / forged.sum().clamp(min=1)


def localization_loss(out, batch):
    """1.5 BCE + 0.8 dice of the mask on its own grid, 0.15 BCE of the image logit where it is fair to judge it."""
    mask, score, _ = out
    mask = mask.float()
    target = truth(batch, mask)
    bce = F.binary_cross_entropy_with_logits(mask, target, pos_weight=torch.tensor(2.0, device=mask.device))
    dice = dice_loss(mask.sigmoid(), target)
    image = F.binary_cross_entropy_with_logits(score[:, 0].float(), batch["label"], reduction="none")
    image = (image * batch["judged"]).sum() / batch["judged"].sum().clamp(min=1)
    return 1.5 * bce + 0.8 * dice + 0.15 * image, {"bce": bce.item(), "dice": dice.item(), "image": image.item()}
