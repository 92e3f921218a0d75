"""The deepfake localizer under every degradation: pixel F1 on the frozen swaps, AUC on synthetic faces.

    python3 training/robustness.py --data DATA --blazeface FACE.onnx --swaps runs/swaps --ckpt training/checkpoints/deepfake.pt
"""
import argparse
import cv2
import numpy as np
import torch
import faces as faces_
from facenet import load
from metrics import auc
from train_faces import f1, load_swaps, predict

NAMES = ("none", "jpeg90", "jpeg70", "jpeg50", "resize0.7", "resize0.5", "blur1", "noise5")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--swaps", required=True); p.add_argument("--ckpt", required=True)
    p.add_argument("--every", type=int, default=1, help="only every n-th swap"); p.add_argument("--only", nargs="*", default=NAMES)
    a = p.parse_args()
    torch.set_num_threads(1); cv2.setNumThreads(1)
    served, r = load(a.ckpt)[0], np.random.default_rng(0)
    val = [f for f in faces_.load(a.data, "val", a.blazeface) if f["dataset"] == "faces"]
    swaps = load_swaps(a.swaps, a.blazeface)

    print("| | self-blended F1 | cross-face F1 | self AUC | cross AUC | StyleGAN AUC |\n|---|---|---|---|---|---|", flush=True)
    for name in a.only:
        scores, found = {}, {}
        groups = {"real": [f for f in val if not f["fake"]], "fake": [f for f in val if f["fake"]], **{k: [s for s in swaps if s["kind"] == k][::a.every] for k in ("self", "cross")}}
        for kind, group in groups.items():
            seen = [faces_.degraded_view(f, name, r) for f in group]
            masks, scores[kind] = predict(served.logits, seen)
            found[kind] = np.mean([f1(m > 0.5, v[1] > 0.5) for m, v in zip(masks, seen)])
        against = lambda k: auc(np.r_[np.zeros(len(scores["real"])), np.ones(len(scores[k]))], np.r_[scores["real"], scores[k]])
        print(f"| {name} | {found['self']:.3f} | {found['cross']:.3f} | {against('self'):.3f} | {against('cross'):.3f} | {against('fake'):.3f} |", flush=True)


if __name__ == "__main__":
    main()
