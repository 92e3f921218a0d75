"""Trains the deepfake localizer on faces.py's samples. Resumable; the learning rate follows the time trained, not a step count.

    python3 training/train_faces.py --data DATA --blazeface FACE.onnx --out runs/deepfake --minutes 120
    python3 training/train_faces.py ... --check SWAPS       # the frozen swaps and the validation faces, no training

Writes OUT/last.pt (weights, averaged weights, optimiser, time), OUT/log.jsonl. bf16 autocast on the CPU, fp16 AMP on CUDA.
"""
import argparse, json, os, time
import cv2
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import faces as faces_
from metrics import auc, interval



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
    """pixels N x 3 x 256 x 256 in 0..1 -> mask logits N x 1 x 64 x 64, image logit N x 1, class-activation map N x 1 x 16 x 16 (>= 0).
    A fixed local spectrum and a thin learned pixel branch meet at 1/4; the rest works at 1/4 to 1/16, where a CPU can afford it.
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
        self.score, self.pooled = nn.Conv2d(4 * w, 1, 1), nn.Linear(4 * w + 3 * 94 + 3, 1)
        nn.init.zeros_(self.pooled.weight); nn.init.zeros_(self.pooled.bias)                  # fit_score.py fills it once the rest is trained

    @staticmethod
    def statistics(f2, f3, spectrum, mask):
        """What the crop is like as a whole, N x (4w + 285): means and spreads of features and spectra, centre against all, the mask's level."""
        mean = lambda t: t.mean((2, 3))
        spread = lambda t: (mean(t * t) - mean(t) ** 2).clamp(min=1e-6).sqrt()
        s, m = spectrum[:, :94], mask.flatten(1)
        return torch.cat([mean(f2), spread(f2), mean(f3), mean(s), spread(s), mean(s[:, :, 16:48, 16:48]) - mean(s),
                          m.mean(1, keepdim=True), m.topk(205, 1).values.mean(1, keepdim=True), spread(mask)], 1)

    def forward(self, x, features=False):
        with torch.autocast(x.device.type, enabled=False):
            spectrum = self.spectrum(x.float())
        f2 = self.s2(F.relu(self.enter(spectrum) + self.common(spectrum.mean((2, 3), keepdim=True)) + self.pixels((x - 0.45) * 4)))
        f3 = self.s3(f2)
        f3 = F.relu(f3 + self.context3(f3.mean((2, 3), keepdim=True)))
        f4 = self.s4(f3)
        f4 = F.relu(f4 + self.context(f4.mean((2, 3), keepdim=True)))
        up = lambda t: F.interpolate(t, scale_factor=2, mode="nearest")
        y = F.relu(self.d3(up(self.l4(f4)) + self.l3(f3)))
        y = F.relu(self.d2(up(y) + self.l2(f2)))
        mask, signed = self.mask(y).float(), self.score(f4).float()
        if self.training:
            return mask, signed.mean((2, 3)), F.relu(signed)
        statistics = self.statistics(f2, f3, spectrum, mask)
        if features:
            return torch.cat([f4.mean((2, 3)), statistics], 1)
        return mask, signed.mean((2, 3)) + self.pooled(statistics), F.relu(signed)


def losses(mask, logit, truth, label):
    """Pixel cross-entropy, Dice on the forged, image cross-entropy. Hard truth: more than half of the pixel replaced."""
    whole = truth.mean((1, 2, 3)) > 0.999                    # a synthetic face: its mask teaches no place, so it weighs less
    weight = 1 - 0.7 * whole.float()
    pixel = (F.binary_cross_entropy_with_logits(mask, truth, reduction="none").mean((1, 2, 3)) * weight).mean()
    p, on = torch.sigmoid(mask).flatten(1), (label[:, 0] > 0.5) & ~whole
    t = truth.flatten(1)
    dice = 1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)
    image = F.binary_cross_entropy_with_logits(logit, label)
    return 1.5 * pixel + 0.5 * (dice * on).sum() / on.sum().clamp(min=1) + 0.5 * image, pixel, dice[on].mean(), image


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by five Newton-Schulz steps, for convolution weights: fewer steps where steps are dear (Jordan 2024)."""

    def __init__(self, params, lr=0.02, momentum=0.9):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - g["momentum"])
                x = p.grad.lerp(m, g["momentum"]).flatten(1)
                x = x / (x.norm() + 1e-7)
                wide = x.shape[0] <= x.shape[1]
                x = x if wide else x.T
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
                x = x if wide else x.T
                p.mul_(1 - g["lr"] * 0.05).add_(x.reshape(p.shape), alpha=-g["lr"] * max(1, x.shape[0] / x.shape[1]) ** 0.5)


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, faces, seed, batch):
        self.source, self.seed, self.batch = faces_.Faces(faces), seed, batch
        self.ease = torch.zeros(1).share_memory_()           # share of samples spared their file history; training lowers it

    def __iter__(self):
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        r, pool = np.random.default_rng([self.seed, worker.id if worker else 0]), []
        while True:
            while len(pool) < self.batch:
                pool += self.source.draw(r, float(self.ease))
            took, pool = pool[:self.batch], pool[self.batch:]
            x = torch.from_numpy(np.stack([t[0] for t in took])).permute(0, 3, 1, 2)
            t = torch.from_numpy(np.stack([cv2.resize(t[1], (64, 64), interpolation=cv2.INTER_AREA) for t in took])[:, None])
            yield x, (t > 0.5).float(), torch.tensor([[t[2]] for t in took])


def predict(net, images, device="cpu"):
    """Mask probabilities at 256 x 256 and image probabilities of uint8 crops."""
    masks, scores = [], []
    net.eval()
    with torch.no_grad():
        for i in range(0, len(images), 16):
            x = torch.from_numpy(np.stack(images[i:i + 16])).permute(0, 3, 1, 2).to(device).float() / 255
            m, s, _ = net(x)
            masks += [cv2.resize(p, (faces_.SIZE,) * 2) for p in torch.sigmoid(m)[:, 0].cpu().numpy()]
            scores += torch.sigmoid(s)[:, 0].tolist()
    return masks, np.array(scores)


def f1(p, t):
    return 2 * (p & t).sum() / max(1, p.sum() + t.sum())


def validate(net, device, val, swaps):
    """The figures of the card, in the served geometry: frozen swaps, synthetic faces, false alarms; plain and after JPEG 75."""
    out, r = {}, np.random.default_rng(0)
    for name, fate in (("", lambda x: x), ("_jpeg75", lambda x: faces_.jpeg(x, 75))):
        s = {}
        for kind in ("real", "other", "fake"):
            group = [f for f in val if f["fake"] == (kind == "fake") and (f["dataset"] == "faces") == (kind != "other")]
            images = [faces_.view(fate(f["image"]), np.zeros(f["image"].shape[:2], np.float32), f, r, jitter=False)[0] for f in group]
            masks, s[kind] = predict(net, images, device)
            out[kind + "_mask_area" + name] = float(np.mean([(m > 0.5).mean() for m in masks]))
        against = lambda positive: auc(np.r_[np.zeros(len(s["real"])), np.ones(len(positive))], np.r_[s["real"], positive])
        out["synthetic_auc" + name] = against(s["fake"])
        t = float(np.quantile(s["real"], 0.95))
        out["threshold_5pc" + name] = t
        out["false_alarms_at_half" + name] = float((s["real"] > 0.5).mean())
        out["false_alarms_other_at_half" + name] = float((s["other"] > 0.5).mean())
        out["synthetic_found" + name] = float((s["fake"] > t).mean())
        for kind in ("self", "cross"):
            group = [x for x in swaps if x["kind"] == kind]
            views = [faces_.view(fate(x["image"]), x["mask"], x, r, jitter=False) for x in group]
            masks, score = predict(net, [v[0] for v in views], device)
            each = [f1(m > 0.5, v[1] > 0.5) for m, v in zip(masks, views)]
            out[kind + "_f1" + name], out[kind + "_f1_interval" + name] = float(np.mean(each)), interval(each)
            usual = np.mean([v[1] > 0.5 for v in views], 0) > 0.4            # the bar: one mask for all, drawn where these masks mostly lie
            out[kind + "_f1_of_the_usual_mask"] = float(np.mean([f1(usual, v[1] > 0.5) for v in views]))
            inside = [(auc((v[1][::5, ::5] > 0.5).ravel().astype(int), m[::5, ::5].ravel())) for m, v in zip(masks, views)]
            out[kind + "_pixel_auc" + name] = float(np.mean([i for i in inside if i is not None]))
            out[kind + "_auc" + name] = against(score)
            out[kind + "_found" + name] = float((score > t).mean())
    return {k: np.round(v, 4).tolist() for k, v in out.items() if v is not None}


def load_swaps(folder, blazeface):
    import csv
    find, out = faces_.BlazeFace(blazeface), []
    for row in csv.DictReader(open(os.path.join(folder, "manifest.csv"))):
        if row["label"] != "1":
            continue
        image = faces_.read(os.path.join(folder, row["image"]))
        mask = cv2.imread(os.path.join(folder, row["mask"]), 0).astype(np.float32) / 255
        f = (find(image, 0.3) or [np.r_[1, 128, 151, 167, 167]])[0]
        out.append(dict(image=image, mask=mask, box=np.float32([f[1], f[2], max(f[3:5])]), kind=row["kind"].split("_")[0]))
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=120); p.add_argument("--batch", type=int, default=12); p.add_argument("--lr", type=float, default=0.02)
    p.add_argument("--judge", type=float, default=15, help="minutes between validations"); p.add_argument("--ease", type=float, default=0.7); p.add_argument("--width", type=int, default=32); p.add_argument("--threads", type=int, default=1); p.add_argument("--workers", type=int, default=1)
    p.add_argument("--seed", type=int, default=0); p.add_argument("--swaps"); p.add_argument("--check", action="store_true")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu"); p.add_argument("--init", help="start from this checkpoint's weights")
    a = p.parse_args()
    torch.set_num_threads(a.threads); cv2.setNumThreads(1); torch.manual_seed(a.seed); os.makedirs(a.out, exist_ok=True)
    net, mean = (FaceNet(a.width).to(a.device, memory_format=torch.channels_last) for _ in (0, 1))
    convs = [q for n, q in net.named_parameters() if q.ndim == 4 and min(q.shape[0], q.shape[1]) > 1 and not n.startswith("pixels.0")]
    rest = [q for q in net.parameters() if not any(q is c for c in convs)]
    optimizers = [Muon(convs, lr=a.lr), torch.optim.AdamW(rest, lr=a.lr / 10, weight_decay=0.01)]
    scaler = torch.cuda.amp.GradScaler(enabled=a.device == "cuda")
    path, step, spent = os.path.join(a.out, "last.pt"), 0, 0.0
    if os.path.exists(path):
        c = torch.load(path, map_location=a.device)
        net.load_state_dict(c["net"], strict=False); mean.load_state_dict(c["mean"], strict=False); [o.load_state_dict(v) for o, v in zip(optimizers, c["opt"])]; step, spent = c["step"], c["spent"]
    elif a.init:
        net.load_state_dict(torch.load(a.init, map_location=a.device)["net"], strict=False); mean.load_state_dict(net.state_dict())
    val = faces_.load(a.data, "val", a.blazeface)
    swaps = load_swaps(a.swaps, a.blazeface) if a.swaps else []
    log = open(os.path.join(a.out, "log.jsonl"), "a")

    def say(**row):
        print(json.dumps(row), flush=True); log.write(json.dumps(row) + "\n"); log.flush()

    def save():
        torch.save(dict(net=net.state_dict(), mean=mean.state_dict(), opt=[o.state_dict() for o in optimizers], step=step, spent=spent, width=a.width), path + ".new")
        os.replace(path + ".new", path)

    if a.check:
        return say(step=step, minutes=round(spent / 60, 1), **validate(mean, a.device, val, swaps))
    train = faces_.load(a.data, "train", a.blazeface)
    say(faces=len(train), val=len(val), parameters=sum(q.numel() for q in net.parameters()), width=a.width, batch=a.batch, lr=a.lr, minutes=a.minutes)
    source = Stream(train, a.seed + step, a.batch)
    stream = torch.utils.data.DataLoader(source, batch_size=None, num_workers=a.workers, prefetch_factor=4 if a.workers else 2)
    clock = saved = told = judged = time.time()
    sums = []
    for x, t, y in stream:
        now = time.time()
        spent, clock = spent + min(now - clock, 30), now                     # a pause of the machine is not training time
        k = min(1.0, spent / (a.minutes * 60))
        lr = a.lr * min(1, (step + 1) / 20) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * k)))
        for o, scale in zip(optimizers, (1, 0.1)):
            o.param_groups[0]["lr"] = lr * scale
        source.ease[0] = a.ease * max(0.0, 1 - 2 * k)
        net.train()
        x = x.to(a.device).float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(a.device, dtype=torch.bfloat16 if a.device == "cpu" else torch.float16):
            mask, logit, _ = net(x)
        loss, pixel, dice, image = losses(mask, logit, t.to(a.device), y.to(a.device))
        net.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        for o in optimizers:
            scaler.unscale_(o)
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        for o in optimizers:
            scaler.step(o) if a.device == "cuda" else torch.isfinite(norm) and o.step()
        scaler.update()
        step += 1
        m = min(0.998, step / (step + 20))
        with torch.no_grad():
            for q, v in zip(mean.state_dict().values(), net.state_dict().values()):
                q.lerp_(v, 1 - m) if q.is_floating_point() else q.copy_(v)
        sums.append([float(v) for v in (loss, pixel, dice, image)] + [float(((logit.cpu() > 0) == (y > 0.5)).float().mean()), float(norm)])
        if now - told > 60:
            s, told = np.nanmean(sums, 0), now
            say(step=step, minutes=round(spent / 60, 1), lr=round(lr, 6), loss=round(s[0], 4), pixel=round(s[1], 4), dice=round(s[2], 4), image=round(s[3], 4),
                accuracy=round(s[4], 4), norm=round(s[5], 2), images_per_second=round(len(sums) * a.batch / 60, 1))
            sums = []
        if now - saved > 180:
            saved = now; save()
        if now - judged > a.judge * 60:
            judged = now; say(step=step, minutes=round(spent / 60, 1), **validate(mean, a.device, val, swaps)); clock = time.time()
        if k >= 1:
            break
    save()
    say(step=step, minutes=round(spent / 60, 1), **validate(mean, a.device, val, swaps))


if __name__ == "__main__":
    main()
