"""The frozen set of face swaps: 200 self-blended and 200 cross-face swaps from validation faces, with the same faces untouched.

    python3 training/make_swaps.py --data DATA --blazeface FACE.onnx --out swaps

Seeded, so everyone who runs it with the same data makes the same set. Writes OUT/images/*.jpg|png, OUT/masks/*.png and
OUT/manifest.csv (image,mask,label,dataset,kind,split,licence); paths are relative to OUT. Every picture's file is written the same
way whatever its class: a third PNG, the rest JPEG at a random quality of 70 to 100. The mask is where more than half was replaced.
The faces are FFHQ's (CC BY-NC-SA): make the set where you need it, do not publish it elsewhere.
"""
import argparse, csv, os
import cv2
import numpy as np
import faces as faces_


def write(path, image, r):
    if r.random() < 1 / 3:
        cv2.imwrite(path + ".png", image[..., ::-1])
        return path + ".png"
    cv2.imwrite(path + ".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(r.integers(70, 101))])
    return path + ".jpg"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--out", required=True)
    p.add_argument("--each", type=int, default=200); p.add_argument("--seed", type=int, default=2026)
    a = p.parse_args()
    for d in ("images", "masks"):
        os.makedirs(os.path.join(a.out, d), exist_ok=True)
    real = [f for f in faces_.load(a.data, "val", a.blazeface) if f["dataset"] == "faces" and not f["fake"]]
    rows = []
    for kind in ("self", "cross", "none"):
        for i in range(a.each if kind != "none" else len(real)):
            r = np.random.default_rng([a.seed, ("self", "cross", "none").index(kind), i])
            face = real[i % len(real)]
            if kind == "none":
                image, mask = face["image"], None
            else:
                image, soft = faces_.self_blended(face, r) if kind == "self" else faces_.cross_swapped(face, real, r)
                mask = (soft > 0.5).astype(np.uint8) * 255
            name = write(os.path.join(a.out, "images", f"{kind}_{i:03d}"), image, r)
            if mask is not None:
                cv2.imwrite(os.path.join(a.out, "masks", f"{kind}_{i:03d}.png"), mask)
            rows.append(dict(image=os.path.relpath(name, a.out), mask=f"masks/{kind}_{i:03d}.png" if mask is not None else "", label=int(mask is not None),
                             dataset="swaps", kind={"self": "self_blended", "cross": "cross_face", "none": ""}[kind], split="val", licence="FFHQ CC BY-NC-SA"))
    with open(os.path.join(a.out, "manifest.csv"), "w", newline="") as f:
        w = csv.DictWriter(f, rows[0].keys()); w.writeheader(); w.writerows(rows)
    print(f"{len(rows)} pictures in {a.out}")


if __name__ == "__main__":
    main()
