"""One number chosen on validation: the shift of the mask's logit that makes 0.5 the right threshold.
  python3 training/bias.py --ckpt runs/fused/last.pt --data DATA [--extra HELD] [--write]
Dice-trained masks are too shy after recompression. Prints mean pixel F1 over a sweep of thresholds t for each degradation of casia1 split=val
(and of the made set HELD), and the share of authentic pictures with more than 0.5 % of their area above t; takes the t with the best mean of F1 over
`--over`, and with --write stores the shift -logit(t) in the checkpoint, which `metrics.load` and the export then apply."""
import argparse

import numpy as np
import torch

import data as D
from metrics import evaluate, load, torch_runner

STEPS = np.arange(0.06, 0.62, 0.04)


def sweep(run, rows, degradation):
    forged, authentic = [], []

    def keep(item, pixels, q, mask):
        above = np.bincount(q.ravel(), minlength=256)[::-1].cumsum()[::-1]
        cut = [int(np.ceil(255 * t)) for t in STEPS]
        if mask is None:
            authentic.append([above[c] / q.size > 0.005 for c in cut])
        else:
            hit = np.bincount(q[mask > 127], minlength=256)[::-1].cumsum()[::-1]
            forged.append([2 * hit[c] / max(1, above[c] + hit[0]) for c in cut])
    evaluate(run, rows, degradation, keep=keep)
    return np.mean(forged, 0) if forged else None, np.mean(authentic, 0) if authentic else None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--ckpt", required=True)
    a.add_argument("--data", default="data")
    a.add_argument("--extra", help="folder of make_forgeries.py")
    a.add_argument("--degrade", default="none,jpeg90,jpeg70,resize0.7")
    a.add_argument("--over", default="none,jpeg90,jpeg70", help="degradations whose mean decides")
    a.add_argument("--write", action="store_true")
    a.add_argument("--gate", type=float, nargs=2, help="only store this gate (start, slope; see model.Serving) in the checkpoint")
    args = a.parse_args()
    torch.set_num_threads(1)
    state = torch.load(args.ckpt, map_location="cpu")
    if args.gate:
        state["mask_gate"] = tuple(args.gate)
        return torch.save(state, args.ckpt)
    run = torch_runner(load(args.ckpt, mask_bias=0.0))
    print("threshold     " + " ".join(f"{t:5.2f}" for t in STEPS))
    casia, total = D.read_manifest(args.data, dataset="casia1", split="val"), []
    for name in args.degrade.split(","):
        f, alarm = sweep(run, casia, None if name == "none" else name)
        if name in args.over.split(","):
            total.append(f)
        print(f"{name:13s} " + " ".join(f"{v:5.3f}" for v in f) + "\n" + f"{'  alarms':13s} " + " ".join(f"{v:5.3f}" for v in alarm), flush=True)
    if args.extra:
        rows = D.read_manifest(args.extra)
        for name in sorted({r["dataset"] for r in rows}):
            f, alarm = sweep(run, [r for r in rows if r["dataset"] == name], None)
            print(f"{name:13s} " + " ".join(f"{v:5.3f}" for v in (alarm if f is None else f)), flush=True)
    t = STEPS[np.argmax(np.mean(total, 0))]
    print(f"chosen threshold {t:.2f}, shift {-np.log(t / (1 - t)):.3f}")
    if args.write:
        state["mask_bias"] = float(-np.log(t / (1 - t)))
        torch.save(state, args.ckpt)


if __name__ == "__main__":
    main()
