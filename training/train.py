"""Train a localizer: python3 training/train.py --data DATA --arch jpeg --out runs/jpeg --minutes 60

The schedule is in minutes of wall clock, not steps: a busy machine trains less, but always finishes its cosine. A run stopped at any
time goes on with the same command; one that is held (SIGSTOP) spends at most a minute of its schedule. Writes last.pt (weights, their moving average, optimizer), log.jsonl, and curves.png with --plot.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch

from forgeries import Forger, stream
from layers import localization_loss
from model import build


class Samples(torch.utils.data.IterableDataset):
    """A stream per worker. `prepare` (a frozen branch) runs here too, beside the training process instead of inside it."""

    def __init__(self, forger, seed, draw, prepare=None):
        self.forger, self.seed, self.draw, self.prepare = forger, seed, draw, prepare

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        for item in stream(self.forger, [self.seed, info.id if info else 0], self.draw):
            yield item if self.prepare is None else self.prepare(item)


def to_network(batch, device):
    batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
    if "known" in batch:
        return batch, {"known": batch["known"]}
    pixels = batch["pixels"].permute(0, 3, 1, 2).float().div(255) if "pixels" in batch else None
    return batch, {"pixels": pixels, "dct": batch["dct"], "qtable": batch["qtable"]}


def again(loader, keep, seed):
    """The first `keep` batches as they come, then the same ones over and over, their samples shuffled anew each time round."""
    held, rng = [], torch.Generator().manual_seed(seed)
    for batch in loader:
        held.append(batch)
        yield batch
        if len(held) == keep:
            break
    del loader
    size, held = held[0]["label"].shape[0], {k: torch.cat([b[k] for b in held]) for k in held[0]}
    while True:
        order = torch.randperm(keep * size, generator=rng)
        for i in range(0, keep * size, size):
            yield {k: v[order[i:i + size]] for k, v in held.items()}


def taking_turns(often, seldom):
    """Two batches of the first, one of the second."""
    while True:
        yield from (next(often), next(often), next(seldom))


def save(path, **state):
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--data", default="data")
    a.add_argument("--arch", default="jpeg")
    a.add_argument("--options", type=json.loads, default={}, help='architecture options, e.g. \'{"width": 48}\'')
    a.add_argument("--out", required=True)
    a.add_argument("--init", nargs="*", default=[], help="checkpoints whose moving averages this run starts from (matching names and shapes); FILE@MODULE puts one under MODULE")
    a.add_argument("--freeze", default="", help="comma-separated module prefixes that stay as they are")
    a.add_argument("--minutes", type=float, default=60)
    a.add_argument("--lr", type=float, default=2e-3)
    a.add_argument("--warmup", type=int, default=40, help="steps")
    a.add_argument("--batch", type=int, default=16)
    a.add_argument("--size", type=int, nargs=2, default=(256, 384))
    a.add_argument("--photographs", default="", help="folder that photographs.py filled: authentic photographs of camera size, to forge from too")
    a.add_argument("--large", type=int, default=0, help="draw so many batches of three times the size, two pictures each, from --photographs, and let one come after every two others: what a large picture looks like")
    a.add_argument("--mix", type=float, nargs=4, default=(0.40, 0.12, 0.30, 0.18), help="casia1 forged, casia1 authentic, synthetic, authentic photos")
    a.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", "1")))
    a.add_argument("--workers", type=int, default=1)
    a.add_argument("--bf16", action="store_true", help="autocast: twice as fast on a CPU with AVX-512 BF16; stems and heads stay in float32")
    a.add_argument("--cache", type=int, default=0, help="draw this many samples, then go on with them: for a head on frozen branches")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--plot", action="store_true", help="draw curves.png from log.jsonl and leave")
    args = a.parse_args()
    if args.plot:
        return plot(args.out)
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    net = build(args.arch, **args.options).to(device, memory_format=torch.channels_last)
    for source in args.init:
        path, _, prefix = source.partition("@")
        mine, state = net.state_dict(), torch.load(path, map_location=device)
        rename = (lambda key: prefix + "." + key) if prefix else net.rename if hasattr(net, "rename") and state["arch"] != args.arch else lambda key: key
        have = {rename(k): v for k, v in state["ema"].items()}
        fits = {k: v for k, v in have.items() if k in mine and mine[k].shape == v.shape}
        net.load_state_dict({**mine, **fits})
        print(f"init: {len(fits)} of {len(have)} tensors from {source}", flush=True)
    frozen = tuple(p for p in args.freeze.split(",") if p)
    for name, p in net.named_parameters():
        p.requires_grad = not (frozen and name.startswith(frozen))
    train = [p for p in net.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(train, lr=args.lr, weight_decay=1e-2)
    ema = {k: v.detach().clone() for k, v in net.state_dict().items()}
    step, spent, seen, path = 0, 0.0, 0, os.path.join(args.out, "last.pt")
    if os.path.exists(path):
        state = torch.load(path, map_location=device)
        net.load_state_dict(state["net"]), opt.load_state_dict(state["opt"])
        ema, step, spent, seen = state["ema"], state["step"], state["spent"], state["seen"]
        print(f"resumed at step {step}, {spent / 60:.1f} min", flush=True)

    forger = Forger(args.data, tuple(args.size), pixels=net.uses_pixels, mix=args.mix, photographs=args.photographs)
    prepare = net.prepare() if hasattr(net, "prepare") and frozen else None

    def batches(forger, seed, size):
        return iter(torch.utils.data.DataLoader(Samples(forger, seed, getattr(net, "draw", "sample"), prepare), batch_size=size, num_workers=args.workers, prefetch_factor=4))

    loader = batches(forger, args.seed + step, args.batch)
    loader = again(loader, args.cache // args.batch, args.seed) if args.cache else loader
    if args.large:
        large = Forger(args.data, tuple(3 * s for s in args.size), pixels=net.uses_pixels, mix=(0, 0, 0.6, 0.4), photographs=args.photographs, share=1.0)
        loader = taking_turns(loader, again(batches(large, args.seed + step + 1, 2), args.large, args.seed))
    scaler = torch.cuda.amp.GradScaler(enabled=device == "cuda" and args.bf16)
    log, last, noted, saved, recent = open(os.path.join(args.out, "log.jsonl"), "a"), time.time(), time.time(), time.time(), []
    while spent < args.minutes * 60:
        lr = args.lr * min(1, (step + 1) / args.warmup) * max(0.01, 0.5 * (1 + math.cos(math.pi * spent / (args.minutes * 60))))
        for g in opt.param_groups:
            g["lr"] = lr
        batch, inputs = to_network(next(loader), device)
        net.train()
        for name, m in net.named_modules():  # a frozen part keeps its running statistics too
            if frozen and name.startswith(frozen):
                m.eval()
        with torch.autocast(device, torch.bfloat16 if device == "cpu" else torch.float16, enabled=args.bf16):
            out = net(**inputs)
        loss, parts = (net.loss if hasattr(net, "loss") else localization_loss)(out, batch)
        opt.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        norm = torch.nn.utils.clip_grad_norm_(train, 2.0)
        if device == "cuda" or torch.isfinite(norm):
            scaler.step(opt), scaler.update()
        step, seen = step + 1, seen + len(batch["label"])
        decay = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in net.state_dict().items():
                ema[k].lerp_(v, 1 - decay) if v.is_floating_point() else ema[k].copy_(v)
        now = time.time()
        spent, last = spent + min(now - last, 60), now
        recent.append({"loss": loss.item(), **parts})
        if time.time() - noted > 30:
            noted = time.time()
            row = {"step": step, "seen": seen, "minutes": round(spent / 60, 2), "lr": lr, "tiles_per_s": round(seen / spent, 1),
                   **{k: round(float(np.mean([r[k] for r in recent])), 4) for k in recent[0]}}
            recent = []
            print(json.dumps(row), flush=True)
            log.write(json.dumps(row) + "\n"), log.flush()
        if time.time() - saved > 120:
            saved = time.time()
            save(path, net=net.state_dict(), ema=ema, opt=opt.state_dict(), step=step, spent=spent, seen=seen, arch=args.arch, options=args.options)
    save(path, net=net.state_dict(), ema=ema, opt=opt.state_dict(), step=step, spent=spent, seen=seen, arch=args.arch, options=args.options)
    print(f"done: {seen} tiles in {spent / 60:.1f} min", flush=True)


def plot(out):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    rows = [json.loads(line) for line in open(os.path.join(out, "log.jsonl"))]
    for key in ("loss", "bce", "dice", "image", "level", "haze"):
        if key in rows[0]:
            plt.plot([r["seen"] for r in rows], [r[key] for r in rows], label=key)
    plt.xlabel("tiles seen"), plt.legend(), plt.grid(alpha=0.3), plt.tight_layout()
    plt.savefig(os.path.join(out, "curves.png"))


if __name__ == "__main__":
    main()
