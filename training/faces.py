"""Faces with manipulations whose masks are known, made on the fly.

Three kinds of forgery come from authentic faces and a fourth from generated ones:
  self    a face blended with its own slightly transformed copy under a soft keypoint-shaped mask (self-blended image);
  cross   another person's face region, aligned by keypoints, colour-matched, blended (feather, Poisson or multi-band);
  whole   a fully synthetic face: the mask is all ones;
  none    the authentic face: the mask is blank.
Whatever happens to a *file* (resize, blur, noise, colour, JPEG) happens after the manipulation and to every class alike, so a
network can only win by seeing the manipulation. The crop is what the service will feed (`view`): SIZE x SIZE of the file's own pixels
around the face, on the file's JPEG grid, with the file's own coefficients; only a face too large for that (box > SIZE / NATIVE) is shrunk:
the box made square, enlarged by MARGIN, resized to SIZE. Pixels beyond the picture repeat its edge.

Pictures are uint8 H x W x 3 in RGB; masks are float32 H x W in 0..1; points are pixels (x, y).
"""
import csv, json, os
import cv2
import numpy as np
from data import K, decode, decode_luma, degrade, encode_jpeg, quant_tables, quantised

SIZE, MARGIN, NATIVE = 256, 1.5, 1.25
# Where BlazeFace sees an FFHQ face at 256 px: eyes, nose, mouth, ears (means over 200 pictures), and an outline drawn on that layout.
CANON = np.float32([[92.7, 120.1], [160.0, 118.8], [124.5, 161.5], [126.0, 193.6], [62.8, 127.9], [198.2, 127.8]])
OUTLINE = np.float32([[62, 120], [65, 150], [75, 182], [92, 208], [112, 226], [128, 231], [144, 226], [164, 208], [181, 182], [191, 150],
                      [194, 120], [182, 96], [160, 86], [128, 84], [96, 86], [74, 96]])
PARTS = {"eyes": [[66, 98], [128, 94], [190, 98], [188, 136], [150, 142], [128, 134], [106, 142], [68, 136]],
         "nose": [[116, 116], [138, 116], [152, 168], [128, 180], [102, 168]],
         "mouth": [[92, 178], [128, 168], [164, 178], [162, 204], [128, 218], [94, 204]],
         "lower": [[70, 150], [128, 140], [186, 150], [176, 190], [160, 212], [128, 230], [96, 212], [80, 190]],
         "centre": [[70, 100], [128, 92], [186, 100], [178, 150], [164, 206], [128, 218], [92, 206], [78, 150]]}
INTERP = [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LANCZOS4]


class BlazeFace:
    """The face detector that serving uses, through OpenCV: the 256 px back-camera model, MediaPipe's anchors."""

    def __init__(self, path):
        self.net = cv2.dnn.readNetFromONNX(path)

    def __call__(self, image, threshold=0.6):
        """Rows of score, box centre x, y, width, height, then six keypoints x, y, in pixels of image; best first."""
        h, w = image.shape[:2]
        s = max(h, w)
        ox, oy = (s - w) // 2, (s - h) // 2
        square = np.zeros((s, s, 3), np.uint8)
        square[oy:oy + h, ox:ox + w] = image
        x = cv2.resize(square, (256, 256), interpolation=cv2.INTER_AREA).astype(np.float32) / 127.5 - 1
        self.net.setInput(x[None])
        names = self.net.getUnconnectedOutLayersNames()
        out, rows = dict(zip(names, self.net.forward(names))), []
        for scores, boxes, cells, anchors in (("Identity:0", "Identity_2:0", 16, 2), ("Identity_1:0", "Identity_3:0", 8, 6)):
            p = 1 / (1 + np.exp(-np.clip(out[scores].reshape(cells, cells, anchors), -50, 50)))
            b = out[boxes].reshape(cells, cells, anchors, 16) / 256
            at = (np.arange(cells) + 0.5) / cells
            for k in (0, 4, 6, 8, 10, 12, 14):
                b[..., k] += at[None, :, None]
                b[..., k + 1] += at[:, None, None]
            keep = p > threshold
            rows += [np.r_[q, v * s] for q, v in zip(p[keep], b[keep])]
        kept = []
        for r in sorted(rows, key=lambda r: -r[0]):
            if all(_iou(r, k) < 0.3 for k in kept):
                kept.append(r)
        for r in kept:
            r[1] -= ox; r[2] -= oy; r[5::2] -= ox; r[6::2] -= oy
        return kept


def _iou(a, b):
    i = [max(0, min(a[k] + a[k + 2] / 2, b[k] + b[k + 2] / 2) - max(a[k] - a[k + 2] / 2, b[k] - b[k + 2] / 2)) for k in (1, 2)]
    return i[0] * i[1] / (a[3] * a[4] + b[3] * b[4] - i[0] * i[1] + 1e-9)


def read(path):
    return cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def jpeg_bytes(path):
    """The file's bytes when it is a JPEG, else None."""
    with open(path, "rb") as f:
        buf = f.read()
    return buf if buf[:2] == b"\xff\xd8" else None


def detections(data, rows, blazeface):
    """BlazeFace's findings per picture, kept beside the detector (its own file + ".faces.json"): searching all pictures takes minutes."""
    path, known = blazeface + ".faces.json", {}
    if os.path.exists(path):
        with open(path) as f:
            known = json.load(f)
    missing = [r["image"] for r in rows if r["image"] not in known]
    if missing:
        find = BlazeFace(blazeface)
        for name in missing:
            known[name] = [np.round(f, 3).tolist() for f in find(read(os.path.join(data, name)), 0.5)]
        with open(path, "w") as f:
            json.dump(known, f)
    return known


def load(data, split, blazeface):
    """All faces of a split: dicts of image (a crop with room around the face), points 6 x 2, box (cx, cy, side), fake, dataset, path.
    Faces come from the face sets and, for other cameras and sizes, from the photographs (box >= 56 px, kept with their own pixels)."""
    with open(os.path.join(data, "manifest.csv"), newline="") as f:
        rows = [r for r in csv.DictReader(f) if r["split"] == split and r["dataset"] in ("faces", "faces1024", "people", "coco", "imagenet", "clothing")]
    faces, found = [], detections(data, rows, blazeface)
    for row in rows:
        own = row["dataset"].startswith("faces")
        good = [f for f in found[row["image"]] if own or f[0] > 0.8][:1 if own else 6]
        image = read(os.path.join(data, row["image"])) if good else None
        for f in good:
            side, crop, shift = max(f[3], f[4]), image, np.float32([0, 0])
            if not own:
                if side < 56:
                    continue
                around = max(1.2 * side, 0.7 * SIZE)
                x0, y0 = (max(0, int(f[1 + k] - around)) // 8 * 8 for k in (0, 1))          # keeps the JPEG grid, mirrored too
                crop, shift = image[y0:int(f[2] + around), x0:int(f[1] + around)], np.float32([x0, y0])
                crop = crop[:crop.shape[0] // 8 * 8, :crop.shape[1] // 8 * 8]
            if max(crop.shape) > 1024:
                continue
            faces.append(dict(image=np.ascontiguousarray(crop), bytes=jpeg_bytes(os.path.join(data, row["image"])) if own else None, points=np.float32(f[5:]).reshape(6, 2) - shift,
                              box=np.float32([f[1] - shift[0], f[2] - shift[1], side]), fake=row["label"] == "1",
                              dataset=row["dataset"], path=row["image"]))
    return faces


def scaled(face, side, r):
    """The face resized so that its box is about `side` px (shrinks only, so no trace of enlarging)."""
    k = min(1.0, side / face["box"][2])
    if k > 0.97:
        return face
    image = cv2.resize(face["image"], None, fx=k, fy=k, interpolation=INTERP[r.integers(2, 4)] if k < 0.7 else INTERP[r.integers(4)])
    return dict(face, image=image, points=face["points"] * k, box=face["box"] * k)


# ---- masks ---------------------------------------------------------------------------------------------------------------------

def fit(src, dst, similarity=False):
    """Least-squares affine (or similarity) 2 x 3 that takes src to dst."""
    if similarity:
        a = np.zeros((2 * len(src), 4)); a[0::2] = np.c_[src[:, 0], -src[:, 1], np.ones(len(src)), np.zeros(len(src))]
        a[1::2] = np.c_[src[:, 1], src[:, 0], np.zeros(len(src)), np.ones(len(src))]
        p, q, x, y = np.linalg.lstsq(a, dst.reshape(-1).astype(float), rcond=None)[0]
        return np.float32([[p, -q, x], [q, p, y]])
    return np.float32(np.linalg.lstsq(np.c_[src, np.ones(len(src))].astype(float), dst.astype(float), rcond=None)[0].T)


def soft_mask(face, r):
    """A soft mask shaped by the face's keypoints: outline hull, ellipse or a part of the face; jittered, warped, feathered."""
    h, w = face["image"].shape[:2]
    m, side = fit(CANON, face["points"]), face["box"][2]
    kind = r.choice(["hull", "ellipse", "part", "parts"], p=[0.42, 0.23, 0.25, 0.10])
    mask = np.zeros((h, w), np.float32)
    polygons = [OUTLINE]
    if kind.startswith("part"):
        polygons = [np.float32(PARTS[n]) for n in r.choice(list(PARTS), 1 if kind == "part" else 2, replace=False)]
    for p in polygons:
        p = (p - p.mean(0)) * r.uniform(0.85, 1.12, 2) + p.mean(0) + r.normal(0, 3, 2) + r.normal(0, 3.5, p.shape)
        p = np.float32(p) @ m[:, :2].T + m[:, 2]
        if kind == "ellipse":
            cv2.ellipse(mask, (tuple(map(float, p.mean(0))), tuple(map(float, np.ptp(p, 0) * r.uniform(0.85, 1.15, 2))),
                               float(np.degrees(np.arctan2(m[1, 0], m[0, 0])))), 1, -1)
        else:
            p = cv2.convexHull(p) if r.random() < 0.7 else p
            cv2.fillPoly(mask, [np.int32(np.round(p))], 1)
    if r.random() < 0.6:                                                    # elastic warp
        amp, sigma = side * r.uniform(0.02, 0.07), side * r.uniform(0.05, 0.12)
        d = [cv2.resize(cv2.GaussianBlur(r.normal(0, 1, (48, 48)).astype(np.float32), (0, 0), max(1.0, sigma * 48 / w)), (w, h)) for _ in (0, 1)]
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        mask = cv2.remap(mask, x + d[0] / (np.abs(d[0]).max() + 1e-6) * amp, y + d[1] / (np.abs(d[1]).max() + 1e-6) * amp, cv2.INTER_LINEAR)
    sigma = side * (r.uniform(0.002, 0.012) if r.random() < 0.3 else r.uniform(0.012, 0.07))
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, sigma))
    return soft if soft.max() > 0.6 else soft_mask(face, r)


# ---- manipulations -------------------------------------------------------------------------------------------------------------

def jpeg(image, quality):
    ok, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


def colour(image, r, strength=1.0):
    """Brightness, contrast, channel shifts, saturation and hue, all at random."""
    x = image.astype(np.float32)
    if r.random() < 0.7:
        x = (x - 128) * r.uniform(1 - 0.2 * strength, 1 + 0.2 * strength) + 128 + r.uniform(-18, 18) * strength
    if r.random() < 0.5:
        x = x + r.uniform(-14, 14, 3).astype(np.float32) * strength
    if r.random() < 0.5:
        grey = x @ np.float32([0.299, 0.587, 0.114])
        x = grey[..., None] + (x - grey[..., None]) * r.uniform(1 - 0.4 * strength, 1 + 0.4 * strength)
    x = np.clip(x, 0, 255)
    if r.random() < 0.3:
        x = 255 * (x / 255) ** np.float32(r.uniform(1 - 0.25 * strength, 1 + 0.3 * strength))
    if r.random() < 0.2:
        hsv = cv2.cvtColor(x.astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + int(r.uniform(-8, 8) * strength)) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return x.astype(np.uint8)


def through(image, k, r):
    """Shrunk by k and enlarged again: the resolution loss of a generator's output."""
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(8, int(w * k)), max(8, int(h * k))), interpolation=INTERP[r.integers(4)])
    return cv2.resize(small, (w, h), interpolation=INTERP[r.choice([0, 1, 3])])


def sharpness(image, r):
    """One change of sharpness or noise, as another camera, generator or editor would leave it."""
    pick = r.integers(6)
    if pick == 0:
        return cv2.GaussianBlur(image, (0, 0), r.uniform(0.5, 1.6))
    if pick == 1:
        return cv2.addWeighted(image, 1 + (a := r.uniform(0.4, 1.5)), cv2.GaussianBlur(image, (0, 0), r.uniform(0.8, 2)), -a, 0)
    if pick == 2:
        return noise(image, r.uniform(2, 9), r)
    if pick == 3:
        return cv2.bilateralFilter(image, 5, r.uniform(10, 45), 3)
    if pick == 4:
        return cv2.medianBlur(image, 3)
    return through(image, r.uniform(0.3, 0.75), r)


def noise(image, sigma, r):
    shape = image.shape if r.random() < 0.7 else image.shape[:2] + (1,)
    return np.clip(image + r.standard_normal(shape, dtype=np.float32) * np.float32(sigma) + 0.5, 0, 255).astype(np.uint8)


def transformed(image, r, affine=0.03):
    """A slightly different copy: colour, sharpness, resampling, compression, a small affine move. Something always changes."""
    h, w = image.shape[:2]
    todo = r.random(4) < [0.75, 0.65, 0.6, 0.4]
    if not todo[:3].any():
        todo[r.integers(3)] = True
    if todo[0]:
        image = colour(image, r)
    if todo[1]:
        image = sharpness(image, r)
    if todo[2]:
        s, t, q = 1 + r.uniform(-0.05, 0.05, 2), r.uniform(-affine, affine, 2) * (w, h), np.radians(r.uniform(-3, 3))
        m = np.float32([[s[0] * np.cos(q), -np.sin(q), 0], [np.sin(q), s[1] * np.cos(q), 0]])
        m[:, 2] = np.float32([w, h]) / 2 - m[:, :2] @ np.float32([w, h]) / 2 + t
        image = cv2.warpAffine(image, m, (w, h), flags=[cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4][r.integers(3)], borderMode=cv2.BORDER_REFLECT)
    if todo[3]:
        image = jpeg(image, r.integers(40, 96))
    return image


def feather(base, over, mask, ratio=1.0):
    a = (mask * ratio)[..., None]
    return np.clip(base * (1 - a) + over * a + 0.5, 0, 255).astype(np.uint8)


def multiband(base, over, mask, levels=4):
    """Laplacian-pyramid blend: low frequencies mix widely, detail switches sharply."""
    h, w = mask.shape
    out, a, b, m = 0, base.astype(np.float32), over.astype(np.float32), (mask > 0.5).astype(np.float32)
    for k in range(levels):
        la, lb = (cv2.GaussianBlur(x, (0, 0), 1.5 * 2 ** k) for x in (a, b))
        m = cv2.GaussianBlur(m, (0, 0), 1.0 * 2 ** k)
        out = out + (a - la) * (1 - m[..., None]) + (b - lb) * m[..., None]
        a, b = la, lb
    m = cv2.GaussianBlur(m, (0, 0), 8)[..., None]
    return np.clip(out + a * (1 - m) + b * m + 0.5, 0, 255).astype(np.uint8)


def self_blended(face, r):
    """(forged image, soft mask). Either the inner or the outer copy is the transformed one, as in SBI."""
    image, mask = face["image"], soft_mask(face, r)
    if r.random() < 0.5:
        base, over = image, transformed(image, r)
    else:
        base, over = transformed(image, r, 0.0), image
        if r.random() < 0.5:
            over = transformed(over, r)
    ratio = r.choice([0.5, 0.75, 1, 1, 1])
    return (multiband(base, over, mask) if r.random() < 0.15 and ratio == 1 else feather(base, over, mask, ratio)), mask


def matched(over, base, mask, r):
    """Mean and spread of over's L*a*b* channels under the mask pulled to base's."""
    a, b = (cv2.cvtColor(x, cv2.COLOR_RGB2LAB).astype(np.float32) for x in (over, base))
    on, k = mask > 0.3, r.uniform(0.6, 1.0)
    for c in range(3):
        ma, sa, mb, sb = a[..., c][on].mean(), a[..., c][on].std() + 1, b[..., c][on].mean(), b[..., c][on].std() + 1
        a[..., c] = (a[..., c] - ma) * (1 + k * (np.clip(sb / sa, 0.6, 1.6) - 1)) + ma + k * (mb - ma)
    return cv2.cvtColor(np.clip(a + 0.5, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)


def cross_swapped(face, donors, r):
    """(forged image, soft mask): the best aligned of eight random donors gives its face region."""
    h, w = face["image"].shape[:2]
    best = None
    for i in r.integers(0, len(donors), 8):
        d = donors[i]
        if d["path"] == face["path"]:
            continue
        pts = d["points"]
        m = fit(pts[:4], face["points"][:4], similarity=True)
        err = np.abs(pts @ m[:, :2].T + m[:, 2] - face["points"]).mean() / face["box"][2] + r.uniform(0, 0.02)
        err += 0.3 * max(0, np.log(np.hypot(m[0, 0], m[1, 0])) - 0.3)        # prefers donors that need little enlarging
        if best is None or err < best[0]:
            best = err, d, m
    _, donor, m = best
    if r.random() < 0.4:
        m = fit(donor["points"], face["points"])                             # the full affine fits closer, stretches the face
    k = np.hypot(m[0, 0], m[1, 0])
    source = donor["image"] if k > 0.6 else cv2.resize(donor["image"], None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
    if k <= 0.6:
        m = m.copy(); m[:, :2] /= k
    over = cv2.warpAffine(source, m, (w, h), flags=[cv2.INTER_LINEAR, cv2.INTER_CUBIC][r.integers(2)], borderMode=cv2.BORDER_REFLECT)
    if r.random() < 0.5:
        over = sharpness(over, r)
    if r.random() < 0.35:
        over = jpeg(over, r.integers(40, 96))
    mask, base = soft_mask(face, r), face["image"]
    if r.random() < 0.8:
        over = matched(over, base, mask, r)
    how = r.choice(["feather", "poisson", "multiband"], p=[0.6, 0.2, 0.2])
    if how == "poisson":
        on = (mask > 0.5).astype(np.uint8) * 255
        on[:2] = on[-2:] = 0; on[:, :2] = on[:, -2:] = 0
        x, y, bw, bh = cv2.boundingRect(on)
        try:
            return cv2.seamlessClone(over, base, on, (x + bw // 2, y + bh // 2), cv2.NORMAL_CLONE), mask
        except cv2.error:                                                    # a region that touches the border
            how = "feather"
    return (multiband(base, over, mask) if how == "multiband" else feather(base, over, mask)), mask


# ---- what happens to files -----------------------------------------------------------------------------------------------------

def saved(image, quality, r):
    """(decoded picture, JPEG bytes)."""
    buf = encode_jpeg(image, quality)
    return cv2.imdecode(np.frombuffer(buf, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], buf


def light_history(image, r):
    """As files are mostly met: lossless, or saved as a JPEG of fair quality."""
    return (image, None) if r.random() < 0.35 else saved(image, r.integers(70, 101), r)


def file_history(image, r):
    """Resize, blur, noise, colour and recompression of the whole picture at random; the geometry stays proportional.
    (picture, bytes of the JPEG it was saved as last, or None)"""
    if r.random() < 0.3:
        return light_history(image, r)
    if r.random() < 0.35:
        image = colour(image, r, 0.8)
    if r.random() < 0.03:
        image = np.repeat((image @ np.float32([0.299, 0.587, 0.114])).astype(np.uint8)[..., None], 3, 2)
    if r.random() < 0.35:
        k = np.exp(r.uniform(np.log(0.45), np.log(1.5)))
        if min(image.shape[:2]) * k > 72:
            image = cv2.resize(image, None, fx=k, fy=k, interpolation=INTERP[r.integers(4)])
    pick = r.random()
    if pick < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), r.uniform(0.3, 1.3))
    elif pick < 0.2:
        image = cv2.addWeighted(image, 1 + (a := r.uniform(0.2, 1.0)), cv2.GaussianBlur(image, (0, 0), r.uniform(0.8, 2)), -a, 0)
    elif pick < 0.24:
        image = cv2.bilateralFilter(image, 5, r.uniform(8, 30), 3)
    if r.random() < 0.2:
        image = noise(image, r.uniform(0.8, 6), r)
    buf = None
    for p in (0.7, 0.15):
        if r.random() < p:
            image, buf = saved(image, r.integers(50, 101), r)
    return image, buf


def rough_history(image, r):
    """One change that covers traces for certain: blur, grain, another size or resampling to and fro; then lossless or one JPEG of 60 to 100."""
    kind = r.integers(4)
    if kind == 0:
        image = cv2.GaussianBlur(image, (0, 0), r.uniform(0.4, 1.6))
    elif kind == 1:
        sigma = r.uniform(1, 8)
        image = noise(image, sigma, r) if r.random() < 0.5 else np.clip(image + r.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)
    elif kind == 2:
        k = np.exp(r.uniform(np.log(0.4), np.log(1.5)))
        if min(image.shape[:2]) * k > 72:
            image = cv2.resize(image, None, fx=k, fy=k, interpolation=INTERP[r.integers(4)])
    else:
        k, (h, w) = r.uniform(0.6, 0.95), image.shape[:2]
        image = cv2.resize(cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA), (w, h), interpolation=INTERP[r.integers(3)])
    return (image, None) if r.random() < 0.5 else saved(image, r.integers(60, 101), r)


def crop(image, box, size=SIZE, interp=cv2.INTER_LINEAR):
    """The square (cx, cy, side) of image resized to size x size; what lies beyond the picture repeats its edge."""
    cx, cy, side = box
    n = max(8, int(round(side)))
    x0, y0 = int(round(cx - side / 2)), int(round(cy - side / 2))
    h, w = image.shape[:2]
    pad = [max(0, -y0), max(0, y0 + n - h), max(0, -x0), max(0, x0 + n - w)]
    part = image[max(0, y0):min(h, y0 + n), max(0, x0):min(w, x0 + n)]
    if any(pad):
        part = cv2.copyMakeBorder(part, *pad, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(part, (size, size), interpolation=interp)


def window(box, height, width):
    """Corner (x, y) of the native SIZE x SIZE window around a face: centred, on the 8 x 8 grid, inside the picture where it fits."""
    place = lambda c, n: min(int(np.floor((c - SIZE / 2) / 8 + 0.5)) * 8, max(0, n - SIZE) // 8 * 8)
    return max(0, place(box[0], width)), max(0, place(box[1], height))


def view(image, mask, face, r, jitter=True, buf=None):
    """A served crop of image (whose size may differ from the face's canvas by file_history) and of its mask; when the image was read from
    the JPEG `buf` and is shown natively, its coefficients and table, else zeros: (pixels, mask, K x 32 x 32, 64)."""
    k = image.shape[1] / face["image"].shape[1]
    cx, cy, side = face["box"] * k
    dct, table = np.zeros((K, SIZE // 8, SIZE // 8), np.float32), np.zeros(64, np.float32)
    if jitter:
        side *= np.exp(r.uniform(np.log(0.88), np.log(1.14)))
        cx, cy = cx + r.normal(0, 0.06) * side, cy + r.normal(0, 0.06) * side
    h, w = image.shape[:2]
    if side * NATIVE > SIZE:
        pixels = crop(image, (cx, cy, side * MARGIN), SIZE, cv2.INTER_AREA if side * MARGIN > 1.6 * SIZE else cv2.INTER_LINEAR)
        return pixels, crop(mask, (cx / k, cy / k, side * MARGIN / k), SIZE), dct, table
    x, y = window((cx, cy), h, w)
    if mask.shape != (h, w):
        mask = cv2.resize(mask, (w, h), interpolation=cv2.INTER_LINEAR)
    beyond = ((0, max(0, SIZE - (h - y))), (0, max(0, SIZE - (w - x))))
    pixels = np.pad(image[y:y + SIZE, x:x + SIZE], beyond + ((0, 0),), mode="edge")
    mask = np.pad(mask[y:y + SIZE, x:x + SIZE], beyond)
    tables = quant_tables(buf) if buf is not None else {}
    if 0 in tables:
        luma = decode_luma(buf)[y:y + SIZE, x:x + SIZE]
        rows, columns = -(-luma.shape[0] // 8), -(-luma.shape[1] // 8)
        luma = np.pad(luma, ((0, rows * 8 - luma.shape[0]), (0, columns * 8 - luma.shape[1])), mode="edge")
        dct[:, :rows, :columns] = quantised(luma, tables[0])                 # blocks beyond the picture stay zero, as in serving
        table = tables[0]
    return np.ascontiguousarray(pixels), np.ascontiguousarray(mask), dct, table


def degraded_view(face, name, r):
    """The served view, without jitter, of a face or swap after one of data.degrade's changes, or of its file as it is ("none")."""
    image, buf, mask = face["image"], face["bytes"], np.uint8(255 * face["mask"]) if "mask" in face else np.zeros(face["image"].shape[:2], np.uint8)
    if name != "none":
        buf, mask = degrade(image, mask, name)
        image, buf = decode(buf), buf if buf[:2] == b"\xff\xd8" else None
    return view(np.ascontiguousarray(image), mask.astype(np.float32) / 255, face, r, jitter=False, buf=buf)


def mirrored(face):
    """The face left to right; the JPEG grid stays when the width is a multiple of 8."""
    w = face["image"].shape[1]
    points = face["points"] * [-1, 1] + [w - 1, 0]
    return dict(face, image=np.ascontiguousarray(face["image"][:, ::-1]), points=np.float32(points[[1, 0, 2, 3, 5, 4]]),
                box=np.float32([w - 1 - face["box"][0], face["box"][1], face["box"][2]]))


class Faces:
    """Endless training samples. draw(r) gives an authentic view and a forgery of the same face that share their file's fate, and
    sometimes a synthetic face; a share `ease` of draws meets a light fate only. A list of (uint8 S x S x 3, float32 S x S, dct, table, image label)."""

    def __init__(self, faces, synthetic=0.2):
        self.real = [f for f in faces if not f["fake"]]
        self.fake = [f for f in faces if f["fake"]]
        self.own = [f for f in self.real if f["dataset"] == "faces"]
        self.synthetic = synthetic

    def pick(self, r):
        """A host: half of them whole FFHQ pictures, the others any face, often shrunk."""
        if r.random() < 0.5:
            face = self.own[r.integers(len(self.own))]
        else:
            face = scaled(self.real[r.integers(len(self.real))], np.exp(r.uniform(np.log(80), np.log(300))) if r.random() < 0.6 else 1e9, r)
        if max(face["image"].shape) > 640:
            face = scaled(face, 300, r)
        return mirrored(face) if r.random() < 0.5 else face

    def draw(self, r, ease=0.0):
        fate = light_history if r.random() < ease else file_history
        face = self.pick(r)
        if r.random() < 0.6:
            forged, mask = self_blended(face, r)
        else:
            forged, mask = cross_swapped(face, self.fake if r.random() < 0.2 else self.real, r)
        out, seed = [], r.integers(2 ** 32)
        for image, m, label in ((face["image"], np.zeros_like(mask), 0.0), (forged, mask, 1.0)):
            q = np.random.default_rng(seed if r.random() < 0.7 else r.integers(2 ** 32))
            if label or r.random() < 0.6:                                    # three forged views for every two untouched ones
                image, buf = fate(image, q)
                out.append(view(image, m, face, q, buf=buf) + (label,))
        if r.random() < self.synthetic:
            face = self.fake[r.integers(len(self.fake))]
            face = scaled(face, np.exp(r.uniform(np.log(110), np.log(200))) if r.random() < 0.3 else 1e9, r)
            image, buf = fate(face["image"], r)
            out.append(view(image, np.ones(face["image"].shape[:2], np.float32), face, r, buf=buf) + (1.0,))
        return out
