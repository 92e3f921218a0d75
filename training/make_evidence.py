"""Pictures with a known history that the evidence methods are measured on (docs/evidence.md), frozen by a seed:
  python3 training/make_evidence.py --data DATA --out DIR                       # pasted, copied, noisy: twenty of each kind
  python3 training/make_evidence.py --photos LARGE_PHOTOGRAPH... --out DIR      # and what a camera would have made of a scene
  ./palimpsest evidence DIR/SET --json SET.json
  python3 training/make_evidence.py --judge SET.json... --out DIR               # found: a box that overlaps the pasted part's by more than a quarter
DIR/made.csv lists set, file and box of the part (x,y,w,h; of the copy first, then of its source)."""
import argparse
import csv
import json
import os

import cv2
import numpy as np

from data import decode, encode_jpeg, read_bytes, read_manifest


def save(rgb, quality):
    """JPEG of a quality; PNG for None."""
    return encode_jpeg(rgb, quality) if quality else cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))[1].tobytes()


def again(rgb, quality):
    return decode(encode_jpeg(rgb, quality))


def hosts(root, rng, count):
    """Photographs reduced to about 600x450: what JPEG they were before no longer shows."""
    rows = [r for r in read_manifest(root, kind="photo") if r["dataset"] in ("imagenet", "people", "coco")]
    out = []
    for i in rng.permutation(len(rows)):
        rgb = decode(read_bytes(rows[i]["image"]))
        h, w = rgb.shape[:2]
        if min(h, w) < 420:
            continue
        f = min(0.75, 600 / max(h, w))
        h, w = int(h * f) // 8 * 8, int(w * f) // 8 * 8
        out.append(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA))
        if len(out) == count:
            return out
    raise SystemExit(f"only {len(out)} photographs are large enough")


def place(rng, shape, low=0.04, high=0.10):
    """A box of a share of the picture, off its edges."""
    h, w = shape[:2]
    area, ratio = rng.uniform(low, high) * h * w, rng.uniform(0.7, 1.4)
    bw, bh = int(min(w * 0.6, (area * ratio) ** 0.5)), int(min(h * 0.6, (area / ratio) ** 0.5))
    return int(rng.integers(8, w - bw - 8)), int(rng.integers(8, h - bh - 8)), bw, bh


def ellipse(w, h):
    m = np.zeros((h, w), np.uint8)
    cv2.ellipse(m, (w // 2, h // 2), (w // 2 - 1, h // 2 - 1), 0, 0, 360, 255, -1)
    return m > 0


def paste(host, part, x, y):
    h, w = part.shape[:2]
    out, m = host.copy(), ellipse(w, h)
    out[y:y + h, x:x + w][m] = part[m]
    return out


def cut(rgb, box):
    x, y, w, h = box
    return rgb[y:y + h, x:x + w]


def spliced(rng, host, donor, own, before, aligned=True):
    """The host saved once (None: never), with a part of the donor that was saved before at a quality of its own (None: never)."""
    x, y, w, h = box = place(rng, [min(a, b) for a, b in zip(host.shape[:2], donor.shape[:2])])
    dx, dy = (0, 0) if aligned else (int(rng.integers(1, 8)), int(rng.integers(1, 8)))
    source = again(donor, before) if before else donor
    part = source[max(0, y - dy):, max(0, x - dx):][:h, :w]
    return paste(again(host, own) if own else host, part, x, y), [box]


def noisy(rng, host, sigma):
    box = place(rng, host.shape)
    part = cut(host, box).astype(np.float32)
    return paste(host, np.clip(np.rint(part + rng.normal(0, sigma, part.shape[:2])[:, :, None]), 0, 255).astype(np.uint8), box[0], box[1]), [box]


def copied(rng, host, turned):
    """A textured part once more elsewhere; turned by up to 40 degrees and scaled by 0.75 to 1.33 when asked."""
    grey = cv2.cvtColor(host, cv2.COLOR_RGB2GRAY).astype(np.float32)
    for _ in range(500):
        sx, sy, w, h = place(rng, host.shape)
        if np.median(np.abs(cv2.Laplacian(grey[sy:sy + h, sx:sx + w], cv2.CV_32F))) < 3:
            continue
        part = host[sy:sy + h, sx:sx + w]
        if not turned:
            x, y = int(rng.integers(0, host.shape[1] - w)), int(rng.integers(0, host.shape[0] - h))
            if abs(x - sx) < w and abs(y - sy) < h:
                continue
            return paste(host, part, x, y), [(x, y, w, h), (sx, sy, w, h)]
        scale, angle = float(rng.uniform(0.75, 1.33)), float(rng.uniform(-40, 40))
        m = cv2.getRotationMatrix2D((w / 2, h / 2), angle, scale)
        side = int(np.ceil(np.hypot(w, h) * scale))
        m[:, 2] += np.array([side - w, side - h]) / 2
        moved = cv2.warpAffine(part, m, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        mask = cv2.warpAffine(ellipse(w, h).astype(np.uint8), m, (side, side)) > 0
        ys, xs = np.where(mask)
        l, t, r, b = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        w2, h2 = r - l, b - t
        if w2 >= host.shape[1] or h2 >= host.shape[0]:
            continue
        x, y = int(rng.integers(0, host.shape[1] - w2)), int(rng.integers(0, host.shape[0] - h2))
        if x < sx + w and sx < x + w2 and y < sy + h and sy < y + h2:
            continue
        out = host.copy()
        out[y:y + h2, x:x + w2][mask[t:b, l:r]] = moved[t:b, l:r][mask[t:b, l:r]]
        return out, [(x, y, int(w2), int(h2)), (sx, sy, w, h)]
    return None


def camera(rng, photo):
    """A scene as a camera's processor would write it: light, sensor noise, colour filters, demosaicing, tone curve, sharpening, one JPEG."""
    h, w = photo.shape[:2]
    f = float(rng.uniform(0.38, 0.5))
    h, w = int(h * f) // 16 * 16, int(w * f) // 16 * 16
    light = (cv2.resize(photo, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255) ** 2.2
    gain = float(rng.uniform(0.0005, 0.004))
    light = light + rng.normal(0, 1, light.shape) * np.sqrt(np.maximum(light, 0) * gain * 0.25 + (gain * 0.6) ** 2)
    raw = np.empty((h, w), np.float32)
    raw[0::2, 0::2], raw[0::2, 1::2], raw[1::2, 0::2], raw[1::2, 1::2] = light[0::2, 0::2, 0], light[0::2, 1::2, 1], light[1::2, 0::2, 1], light[1::2, 1::2, 2]
    # OpenCV names a mosaic by the second row's second and third pixels: BG is red first.
    rgb = cv2.cvtColor(np.clip(raw * 65535, 0, 65535).astype(np.uint16), cv2.COLOR_BayerBG2RGB_EA).astype(np.float32) / 65535
    rgb = np.clip(rgb, 0, 1) ** (1 / 2.2) * 255
    strength = float(rng.uniform(0.2, 0.7))
    rgb = rgb + strength * (rgb - cv2.GaussianBlur(rgb, (0, 0), 1.0))
    return encode_jpeg(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), int(rng.integers(90, 98)))


def build(args):
    os.makedirs(args.out, exist_ok=True)
    rows = []

    def write(name, i, blob, boxes, kind="jpg"):
        os.makedirs(os.path.join(args.out, name), exist_ok=True)
        file = f"{name}/{i:02d}.{kind}"
        with open(os.path.join(args.out, file), "wb") as f:
            f.write(blob)
        rows.append({"set": name, "file": file, "box": " ".join(",".join(map(str, b)) for b in boxes)})

    if args.data:
        pictures = hosts(args.data, np.random.default_rng([args.seed, 0]), 2 * args.count)
        for i in range(args.count):
            host, donor = pictures[i], pictures[i + args.count]
            own = lambda k: np.random.default_rng([args.seed, 1, i, k])
            rgb, boxes = spliced(own(0), host, donor, int(own(0).integers(60, 76)), None)
            write("double-quantisation", i, save(rgb, int(own(1).integers(88, 96))), boxes)
            rgb, boxes = spliced(own(2), host, donor, None, int(own(2).integers(50, 76)))
            write("ghosts", i, save(rgb, int(own(3).integers(92, 98))), boxes)
            for q in (None, 98, 95, 92):
                rgb, boxes = spliced(own(4), host, donor, None, 70, aligned=False)
                write(f"grid-{q or 'png'}", i, save(rgb, q), boxes, "jpg" if q else "png")
            for q in (None, 95):
                rgb, boxes = spliced(own(5), host, donor, 85, None)
                write(f"ela-{q or 'png'}", i, save(rgb, q), boxes, "jpg" if q else "png")
            for sigma in (3, 6, 10, 15):
                for q in (None, 98, 95, 92):
                    rgb, boxes = noisy(own(6), host, sigma)
                    write(f"noise-{sigma}-{q or 'png'}", i, save(rgb, q), boxes, "jpg" if q else "png")
            for turned in (False, True):
                if (made := copied(own(7 + turned), host, turned)) is not None:
                    write("copy-turned" if turned else "copy-plain", i, save(made[0], int(own(9).integers(75, 96))), made[1])
    for i, path in enumerate(args.photos or []):
        write("camera", i, camera(np.random.default_rng([args.seed, 2, i]), decode(read_bytes(path))), [])
    with open(os.path.join(args.out, "made.csv" if args.data else "camera.csv"), "w", newline="") as f:
        out = csv.DictWriter(f, ["set", "file", "box"])
        out.writeheader(), out.writerows(rows)
    print(f"{args.out}: {len(rows)} pictures")


def overlap(a, b):
    wide, high = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]), min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0, wide) * max(0, high)
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def judge(args):
    with open(os.path.join(args.out, "made.csv"), newline="") as f:
        made = {r["file"]: [tuple(map(int, b.split(","))) for b in r["box"].split()] for r in csv.DictReader(f)}
    counts = {}
    for path in args.judge:
        for line in open(path):
            look = json.loads(line)
            file = "/".join(os.path.abspath(look["file"]).split(os.sep)[-2:])
            found = any(overlap((r["x"], r["y"], r["width"], r["height"]), b) > 0.25 for r in look["regions"] or [] for b in made[file])
            c = counts.setdefault((file.split("/")[0], look["name"]), [0, 0, 0])
            c[0] += 1
            c[1] += found
            c[2] += look["finding"] == "unusual"
    for (name, method), (n, found, unusual) in sorted(counts.items()):
        print(f"{name:22s} {method:20s} found {found} of {n}; called unusual {unusual}")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--data")
    a.add_argument("--photos", nargs="*")
    a.add_argument("--judge", nargs="*")
    a.add_argument("--out", required=True)
    a.add_argument("--count", type=int, default=20)
    a.add_argument("--seed", type=int, default=2026)
    args = a.parse_args()
    judge(args) if args.judge else build(args)


if __name__ == "__main__":
    main()
