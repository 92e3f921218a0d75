"""Trains the deepfake localizer on faces.py's samples. Resumable; the learning rate follows the time trained, not a step count.

    python3 training/train_faces.py --data DATA --blazeface FACE.onnx --out runs/deepfake --minutes 120
    python3 training/train_faces.py ... --check SWAPS       # the frozen swaps and the validation faces, no training

Writes OUT/last.pt (weights, averaged weights, optimiser, time), OUT/log.jsonl. bf16 autocast on the CPU, fp16 AMP on CUDA.
"""
import argparse, json, os, time
import cv2
import numpy as np
import torch
import torch.nn.functional as F
import faces as faces_
from facenet import FaceNet
from metrics import auc, interval


def losses(mask, logit, truth, label):
    """Pixel cross-entropy, Dice on the forged, image cross-entropy. Hard truth: more than half of the pixel replaced."""
    whole = truth.mean((1, 2, 3)) > 0.999                    # a synthetic face: its mask teaches no place, so it weighs less
    weight = 1 - 0.9 * whole.float() - 0.4 * (label[:, 0] < 0.5).float()
    pixel = (F.binary_cross_entropy_with_logits(mask, truth, reduction="none").mean((1, 2, 3)) * weight).mean()
    p, on = torch.sigmoid(mask).flatten(1), (label[:, 0] > 0.5) & ~whole
    t = truth.flatten(1)
    dice = 1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)
    image = F.binary_cross_entropy_with_logits(logit, label)
    return 1.5 * pixel + 1.0 * (dice * on).sum() / on.sum().clamp(min=1) + 0.3 * image, pixel, dice[on].mean(), image


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
    """Batches of samples; what the frozen branch sees of them is computed here, in the loader's process, once."""

    def __init__(self, faces, seed, batch, frozen):
        self.source, self.seed, self.batch, self.frozen = faces_.Faces(faces), seed, batch, frozen
        self.ease = torch.zeros(1).share_memory_()           # share of samples that meet a light file history only; training lowers it

    def __iter__(self):
        cv2.setNumThreads(1); torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        r, pool = np.random.default_rng([self.seed, worker.id if worker else 0]), []
        while True:
            while len(pool) < self.batch:
                pool += self.source.draw(r, float(self.ease))
            took, pool = pool[:self.batch], pool[self.batch:]
            x = torch.from_numpy(np.stack([t[0] for t in took])).permute(0, 3, 1, 2).contiguous()
            t = torch.from_numpy(np.stack([cv2.resize(t[1], (64, 64), interpolation=cv2.INTER_AREA) for t in took])[:, None])
            with torch.no_grad():
                known = self.frozen.known(x.float() / 255, torch.from_numpy(np.stack([t[2] for t in took])), torch.from_numpy(np.stack([t[3] for t in took])))
            yield x, known.half(), t > 0.5, torch.tensor([[t[4]] for t in took])


class Store:
    """The latest samples, to be trained on more than once: on a busy machine making a sample costs more than learning from it."""

    def __init__(self, size):
        self.size, self.items, self.at = size, [], 0

    def add(self, batch):
        for item in zip(*batch):
            if len(self.items) < self.size:
                self.items.append(item)
            else:
                self.items[self.at % self.size] = item
            self.at += 1

    def batch(self, n, r):
        return [torch.stack(v) for v in zip(*(self.items[i] for i in r.choice(len(self.items), n, replace=False)))]


def predict(net, views, device="cpu"):
    """Mask probabilities at 256 x 256 and image probabilities of served views (pixels, mask, coefficients, table)."""
    masks, scores = [], []
    with torch.no_grad():
        for i in range(0, len(views), 16):
            x, dct, table = (torch.from_numpy(np.stack([v[k] for v in views[i:i + 16]])).to(device) for k in (0, 2, 3))
            m, s = net(x.permute(0, 3, 1, 2).float() / 255, dct, table)[:2]
            masks += [cv2.resize(p, (faces_.SIZE,) * 2) for p in torch.sigmoid(m)[:, 0].cpu().numpy()]
            scores += torch.sigmoid(s)[:, 0].tolist()
    return masks, np.array(scores)


def f1(p, t):
    return 2 * (p & t).sum() / max(1, p.sum() + t.sum())


def validate(net, device, val, swaps, quick=False):
    """The figures of the card, in the served geometry: frozen swaps, synthetic faces, false alarms; plain and after JPEG 75."""
    out, r = {}, np.random.default_rng(0)
    if isinstance(net, torch.nn.Module):
        net.eval()
    for name, fate in (("", lambda f: (f["image"], f["bytes"])), ("_jpeg75", lambda f: faces_.saved(f["image"], 75, r)))[:1 if quick else 2]:
        look = lambda f, mask: faces_.view((file := fate(f))[0], mask, f, r, jitter=False, buf=file[1])
        s = {}
        for kind in ("real", "other", "fake"):
            group = [f for f in val if f["fake"] == (kind == "fake") and (f["dataset"] == "faces") == (kind != "other")]
            masks, s[kind] = predict(net, [look(f, np.zeros(f["image"].shape[:2], np.float32)) for f in group], device)
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
            views = [look(x, x["mask"]) for x in group]
            masks, score = predict(net, views, device)
            each = [f1(m > 0.5, v[1] > 0.5) for m, v in zip(masks, views)]
            best = max(np.arange(0.2, 0.85, 0.05), key=lambda t: np.mean([f1(m > t, v[1] > 0.5) for m, v in zip(masks, views)]))
            out[kind + "_f1_at_best_cut" + name] = [float(best), float(np.mean([f1(m > best, v[1] > 0.5) for m, v in zip(masks, views)]))]
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
        out.append(dict(image=image, bytes=faces_.jpeg_bytes(os.path.join(folder, row["image"])), mask=mask, box=np.float32([f[1], f[2], max(f[3:5])]), kind=row["kind"].split("_")[0]))
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=120); p.add_argument("--batch", type=int, default=12); p.add_argument("--lr", type=float, default=0.02)
    p.add_argument("--judge", type=float, default=15, help="minutes between validations"); p.add_argument("--ease", type=float, default=0.7); p.add_argument("--width", type=int, default=32); p.add_argument("--threads", type=int, default=1); p.add_argument("--workers", type=int, default=1)
    p.add_argument("--store", type=int, default=3000, help="samples kept"); p.add_argument("--again", type=int, default=3, help="steps for every new batch"); p.add_argument("--branch", default="training/checkpoints/shallowfake-fused.pt")
    p.add_argument("--seed", type=int, default=0); p.add_argument("--swaps"); p.add_argument("--check", action="store_true")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu"); p.add_argument("--blind", action="store_true", help="hide the coefficient branch: the ablation"); p.add_argument("--init", help="start from this checkpoint's weights")
    a = p.parse_args()
    torch.set_num_threads(a.threads); cv2.setNumThreads(1); torch.manual_seed(a.seed); os.makedirs(a.out, exist_ok=True)
    net, mean = (FaceNet(a.width).to(a.device, memory_format=torch.channels_last) for _ in (0, 1))
    frozen = {k: v.float() for k, v in torch.load(a.branch, map_location=a.device)["ema"].items() if k.startswith(("own.", "jpeg.", "jpeg_heads."))}
    for n in (net, mean):
        n.load_state_dict(frozen, strict=False)
        for k, q in n.named_parameters():
            q.requires_grad_(not k.startswith(("jpeg.", "jpeg_heads.")))
    FaceNet.blind = a.blind
    convs = [q for n, q in net.named_parameters() if q.requires_grad and q.ndim == 4 and min(q.shape[0], q.shape[1]) > 1 and not n.startswith("pixels.0")]
    rest = [q for q in net.parameters() if q.requires_grad and not any(q is c for c in convs)]
    optimizers = [Muon(convs, lr=a.lr), torch.optim.AdamW(rest, lr=a.lr / 10, weight_decay=0.01)]
    scaler = torch.cuda.amp.GradScaler(enabled=a.device == "cuda")
    path, step, spent = os.path.join(a.out, "last.pt"), 0, 0.0
    if os.path.exists(path):
        c = torch.load(path, map_location=a.device)
        net.load_state_dict(c["net"], strict=False); mean.load_state_dict(c["mean"], strict=False); [o.load_state_dict(v) for o, v in zip(optimizers, c["opt"])]; step, spent = c["step"], c["spent"]
    elif a.init:
        old = {k: v.float() for k, v in torch.load(a.init, map_location=a.device)["mean"].items()}
        fits = {k: v for k, v in old.items() if k in net.state_dict() and net.state_dict()[k].shape == v.shape}
        net.load_state_dict(fits, strict=False); mean.load_state_dict(net.state_dict())
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
    frozen = FaceNet(a.width).eval()
    frozen.load_state_dict(mean.state_dict())
    source = Stream(train, a.seed + step, a.batch, frozen)
    store, r = Store(a.store), np.random.default_rng(a.seed + step)
    stream = torch.utils.data.DataLoader(source, batch_size=None, num_workers=a.workers, prefetch_factor=4 if a.workers else 2)
    clock = saved = told = judged = time.time()
    sums = []
    def fresh():
        """Batches drawn from the store, `again` for every new one that enters it."""
        for new in stream:
            store.add(new)
            for _ in range(a.again if len(store.items) >= min(400, a.store) else 0):
                yield store.batch(a.batch, r)

    for x, known, t, y in fresh():
        now = time.time()
        spent, clock = spent + min(now - clock, 30), now                     # a pause of the machine is not training time
        k = min(1.0, spent / (a.minutes * 60))
        lr = a.lr * min(1, (step + 1) / 20) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * k)))
        for o, scale in zip(optimizers, (1, 0.1)):
            o.param_groups[0]["lr"] = lr * scale
        source.ease[0] = a.ease * (1 - 0.5 * k)
        net.train(); net.jpeg.eval(); net.jpeg_heads.eval()
        x = x.to(a.device).float().div(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(a.device, dtype=torch.bfloat16 if a.device == "cpu" else torch.float16):
            mask, logit, _ = net(x, known=known.to(a.device).float())
        loss, pixel, dice, image = losses(mask, logit, t.to(a.device).float(), y.to(a.device))
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
            judged = now; say(step=step, minutes=round(spent / 60, 1), **validate(mean, a.device, val, swaps, quick=True)); clock = time.time()
        if k >= 1:
            break
    save()
    say(step=step, minutes=round(spent / 60, 1), **validate(mean, a.device, val, swaps))


if __name__ == "__main__":
    main()
