"""One checkpoint from several: the weighted mean of their moving averages (Wortsman et al. 2022: robust fine-tuning, model soups).
  python3 training/average.py --out runs/mean/last.pt 0.5=runs/old/last.pt 0.5=runs/new/last.pt
For networks of one architecture that were trained on from each other, or from the same one: then the straight line between their weights is all good ground. Weights are scaled to a sum of one. The first
checkpoint gives everything else (architecture, counters); the mask's shift is to be chosen anew with bias.py."""
import argparse
import os

import torch


def mean(parts):
    """[(weight, state)] -> state with the weighted mean of 'ema', without optimiser or network."""
    total, first = sum(w for w, _ in parts), parts[0][1]
    for _, state in parts[1:]:
        assert (state["arch"], state["options"]) == (first["arch"], first["options"]), "these are different networks"
    ema = {key: sum(w / total * state["ema"][key].float() for w, state in parts) if value.is_floating_point() else value for key, value in first["ema"].items()}
    kept = {key: value for key, value in first.items() if key not in ("net", "opt", "ema", "mask_bias", "mask_gate")}
    return {**kept, "ema": ema}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--out", required=True)
    a.add_argument("parts", nargs="+", metavar="WEIGHT=CHECKPOINT")
    args = a.parse_args()
    parts = [(float(weight), torch.load(path, map_location="cpu")) for weight, path in (part.split("=", 1) for part in args.parts)]
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    torch.save(mean(parts), args.out)


if __name__ == "__main__":
    main()
