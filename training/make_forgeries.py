"""A frozen, seeded set of forgeries made from validation photographs, for judging on pictures nobody trained on:
  python3 training/make_forgeries.py --data DATA --out DIR --count 40
Writes DIR/manifest.csv with datasets splice-jpeg, splice-png, copymove-jpeg, copymove-png, removal-jpeg, edit-jpeg and authentic-jpeg / -png
(the same hosts untouched, saved alike). Readable by metrics.py and by the platform's `eval`."""
import argparse
import csv
import os

import cv2
import numpy as np

from forgeries import Forger

SETS = (("splice", "jpeg", 0), ("splice", "png", 0), ("copymove", "jpeg", 1), ("copymove", "png", 1), ("removal", "jpeg", 2), ("edit", "jpeg", 3), ("authentic", "jpeg", None), ("authentic", "png", None))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--data", default="data")
    a.add_argument("--out", required=True)
    a.add_argument("--count", type=int, default=40)
    a.add_argument("--seed", type=int, default=2026)
    a.add_argument("--size", type=int, nargs=2, default=(256, 384))
    a.add_argument("--photographs", default="", help="folder that photographs.py filled: those of split=val are the hosts, all of them")
    args = a.parse_args()
    os.makedirs(args.out, exist_ok=True)
    forger, rows = Forger(args.data, tuple(args.size), split="val", photographs=args.photographs, share=1.0), []
    for name, form, kind in SETS:
        rng, made = np.random.default_rng([args.seed, len(rows)]), 0
        while made < args.count:
            if kind is None:
                rgb, mask = forger.host(rng, 0.0), None
            else:
                rgb, mask = forger.forge(rng, np.eye(4)[kind])
                if not 0.005 < (mask > 0).mean() < 0.5:
                    continue
            stem = f"{name}-{form}-{made:03d}"
            blob = forger.save(rng, rgb, 70, 95) if form == "jpeg" else cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))[1].tobytes()
            file = stem + (".jpg" if form == "jpeg" else ".png")
            with open(os.path.join(args.out, file), "wb") as f:
                f.write(blob)
            if mask is not None:
                cv2.imwrite(os.path.join(args.out, stem + ".mask.png"), mask)
            rows.append({"image": file, "mask": stem + ".mask.png" if mask is not None else "", "label": int(mask is not None), "dataset": f"{name}-{form}",
                         "kind": "shallowfake" if mask is not None else "", "split": "val", "licence": "derived from the data's photographs"})
            made += 1
    with open(os.path.join(args.out, "manifest.csv"), "w", newline="") as f:
        out = csv.DictWriter(f, rows[0].keys())
        out.writeheader(), out.writerows(rows)
    print(f"{args.out}: {len(rows)} pictures")


if __name__ == "__main__":
    main()
