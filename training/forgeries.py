"""Forgeries made on the fly: splices with object outlines, copy-moves, removals, local edits, each part with its own JPEG history.

`Forger.sample` is one training sample of the localizers (see data.py), `Forger.copy_move_sample` one of the self-correlation branch.
"""
import cv2
import numpy as np
from PIL import Image

from data import K, ZIGZAG, decode, decode_luma, encode_jpeg, quant_tables, quantised, read_bytes, read_manifest


def blob(rng, h, w):
    """A random smooth or polygonal outline, uint8 0/255, filling its h x w box."""
    n = rng.integers(3, 12)
    angles = np.sort(rng.uniform(0, 2 * np.pi, n))
    radii = rng.uniform(0.45, 1.0, n)
    pts = np.stack([(1 + radii * np.cos(angles)) * w / 2, (1 + radii * np.sin(angles)) * h / 2], 1).astype(np.int32)
    m = np.zeros((h, w), np.uint8)
    kind = rng.random()
    if kind < 0.2:
        cv2.ellipse(m, (w // 2, h // 2), (max(1, w // 2 - 1), max(1, h // 2 - 1)), 0, 0, 360, 255, -1)
    elif kind < 0.3:
        m[:] = 255
    else:
        cv2.fillPoly(m, [cv2.convexHull(pts) if kind < 0.45 else pts], 255)
        if kind > 0.6:
            s = max(h, w) * rng.uniform(0.02, 0.08)
            m = (cv2.GaussianBlur(m, (0, 0), s) > 127).astype(np.uint8) * 255
    return m


class Forger:
    """Reads the training split once and turns it into an endless stream of samples."""

    def __init__(self, root, size=(256, 384), split="train", pixels=True, mix=(0.40, 0.12, 0.30, 0.18), k=K, photographs="", share=0.35):
        self.size, self.pixels, self.mix, self.k = size, pixels, mix, k
        self.large, self.share = read_manifest(photographs, dataset="debian", split=split) if photographs else [], share  # of camera size, and how many hosts they are
        self.forged = read_manifest(root, dataset="casia1", label="1", split=split)
        self.authentic = read_manifest(root, dataset="casia1", label="0", split=split)
        self.photos = [r for r in read_manifest(root, kind="photo", split=split)]
        self.with_object = [r for r in self.photos if r["mask"]]
        self.cache = {}
        # The tables real editors and cameras used, so that synthetic files end in the same ones.
        self.tables = [t for t in (self._tables(r) for r in self.forged + self.photos) if t is not None]

    def _tables(self, row):
        t = quant_tables(read_bytes(row["image"]))
        if 0 not in t or t[0].max() > 255 or t[0].max() <= 2:
            return None
        return [[int(v) for v in t[0]], [int(v) for v in t.get(1, t[0])]]

    def _image(self, row):
        path = row["image"]
        if path not in self.cache:
            self.cache[path] = decode(read_bytes(path))
        return self.cache[path]

    def _untouched(self, row):
        """An authentic file's bytes, and its empty mask."""
        return read_bytes(row["image"]), np.zeros(self._image(row).shape[:2], np.uint8)

    def _mask(self, row):
        key = ("m", row["mask"])
        if key not in self.cache:
            self.cache[key] = cv2.imread(row["mask"], cv2.IMREAD_GRAYSCALE)
        return self.cache[key]

    # -- saving and recompression
    def save(self, rng, rgb, low=50, high=100, png=0.0):
        """Bytes of one save: mostly libjpeg qualities, a quarter real editors' and cameras' tables, sometimes PNG."""
        if rng.random() < png:
            return None
        if rng.random() < 0.25:
            return encode_jpeg(rgb, 0, self.tables[rng.integers(len(self.tables))])
        return encode_jpeg(rgb, rng.integers(low, high + 1))

    def history(self, rng, rgb, p=0.7):
        """Give a picture its own JPEG past: none, one or two saves."""
        while rng.random() < p:
            rgb, p = decode(self.save(rng, rgb, 50, 99)), 0.25
        return rgb

    def rework(self, rng, buf, mask, strength):
        """What happens to a picture after the forger: nothing, another save, a resize, a little blur or noise. Returns bytes or RGB (=PNG)."""
        if rng.random() >= strength:
            return buf, mask
        rgb = decode(buf) if isinstance(buf, bytes) else buf
        kind = rng.random()
        if kind > 0.68:
            if kind < 0.86:
                f = rng.uniform(0.5, 1.6)
                size = (max(64, int(rgb.shape[1] * f)), max(64, int(rgb.shape[0] * f)))
                rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if f < 1 else [cv2.INTER_LINEAR, cv2.INTER_CUBIC][rng.integers(2)])
                mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
            elif kind < 0.93:
                rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.2))
            else:
                rgb = np.clip(rgb + rng.normal(0, rng.uniform(1, 6), rgb.shape), 0, 255).astype(np.uint8)
        out = self.save(rng, rgb, 50, 100, png=0.25 if kind > 0.68 else 0.05)
        return (rgb if out is None else out), mask

    # -- outlines and donors
    def outline(self, rng, row):
        """A donor's object outline (uint8 0/255, whole picture) or None: people and regions of photos, semantic labels."""
        if not row["mask"]:
            return None
        m = self._mask(row)
        values = [v for v in np.unique(m) if v > 0]
        if not values:
            return None
        part = (m == values[rng.integers(len(values))]).astype(np.uint8)
        n, labels, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=4)
        good = [i for i in range(1, n) if 0.004 < stats[i, 4] / m.size < 0.5]
        return (labels == good[rng.integers(len(good))]).astype(np.uint8) * 255 if good else None

    def from_afar(self, rng, H, W):
        """H x W of a photograph of camera size, as it is or shrunk: what is shrunk far enough has no trace of its first save left, and is no forgery for that."""
        rgb = self._image(self.large[rng.integers(len(self.large))])
        if (rgb.shape[0] > rgb.shape[1]) != (H > W):
            rgb = rgb.transpose(1, 0, 2)
        h, w = rgb.shape[:2]
        f = np.exp(rng.uniform(np.log(max(H / h, W / w, 0.1)), 0)) if rng.random() < 0.8 else 1.0
        ch, cw = min(h, int(round(H / f))), min(w, int(round(W / f)))
        y, x = rng.integers(0, h - ch + 1), rng.integers(0, w - cw + 1)
        if f == 1:
            return np.ascontiguousarray(rgb[y // 8 * 8:y // 8 * 8 + H, x // 8 * 8:x // 8 * 8 + W])
        part = np.ascontiguousarray(rgb[y:y + ch, x:x + cw])
        if rng.random() < 0.5:
            return cv2.resize(part, (W, H), interpolation=cv2.INTER_AREA)
        return np.array(Image.fromarray(part).resize((W, H), [Image.LANCZOS, Image.BICUBIC, Image.BILINEAR][rng.integers(3)]))

    def host(self, rng, casia=0.5):
        """A picture of at least the tile's size: scaled or not, cut at the JPEG grid or not, with or without a further save."""
        H, W = self.size
        if self.large and rng.random() < self.share:
            return self.history(rng, self.from_afar(rng, H, W), 0.4)
        row = self.authentic[rng.integers(len(self.authentic))] if rng.random() < casia else self.photos[rng.integers(len(self.photos))]
        rgb = self._image(row)
        h, w = rgb.shape[:2]
        if (h > w) != (H > W):
            rgb, (h, w) = np.ascontiguousarray(rgb.transpose(1, 0, 2)), (w, h)
        least = max(H / h, W / w)
        if least > 1 or rng.random() < 0.4:
            f = rng.uniform(least, max(least, 1.0)) if least <= 1 else least
            rgb = cv2.resize(rgb, (max(W, int(w * f + 0.5)), max(H, int(h * f + 0.5))), interpolation=cv2.INTER_AREA if f < 1 else cv2.INTER_CUBIC)
            h, w = rgb.shape[:2]
        y, x = rng.integers(0, h - H + 1), rng.integers(0, w - W + 1)
        if rng.random() < 0.7:
            y, x = y // 8 * 8, x // 8 * 8
        return self.history(rng, rgb[y:y + H, x:x + W], 0.5)

    def patch(self, rng, source=None):
        """(RGB patch, outline) to paste: an object or a blob cut from `source`, or from another picture with its own history."""
        H, W = self.size
        shape = None
        if source is None:
            if self.large and rng.random() < 0.6 * self.share:
                source = self.history(rng, self.from_afar(rng, H, W), 0.4)
            else:
                row = self.with_object[rng.integers(len(self.with_object))] if rng.random() < 0.6 else \
                    (self.photos + self.authentic)[rng.integers(len(self.photos) + len(self.authentic))]
                shape, source = self.outline(rng, row), self.history(rng, self._image(row), 0.4)
        elif rng.random() < 0.3:
            shape = self._mask(self.forged[rng.integers(len(self.forged))])
            if shape.shape != source.shape[:2]:
                shape = shape.T if shape.T.shape == source.shape[:2] else None
            shape = None if shape is None else np.where(shape > 127, 255, 0).astype(np.uint8)
        h, w = source.shape[:2]
        if shape is None or not shape.any():
            area = np.exp(rng.uniform(np.log(0.008), np.log(0.25))) * H * W
            aspect = np.exp(rng.uniform(-0.8, 0.8))
            bh, bw = int(np.clip(np.sqrt(area * aspect), 16, h - 1)), int(np.clip(np.sqrt(area / aspect), 16, w - 1))
            y, x = rng.integers(0, h - bh + 1), rng.integers(0, w - bw + 1)
            return source[y:y + bh, x:x + bw], blob(rng, bh, bw), (y, x)
        ys, xs = np.where(shape.any(1))[0], np.where(shape.any(0))[0]
        y, x = ys[0], xs[0]
        return source[y:ys[-1] + 1, x:xs[-1] + 1], shape[y:ys[-1] + 1, x:xs[-1] + 1], (y, x)

    def warp(self, rng, rgb, shape, amount):
        """Scale, rotate, mirror a patch."""
        H, W = self.size
        if rng.random() < 0.2:
            rgb, shape = rgb[:, ::-1], shape[:, ::-1]
        h, w = shape.shape
        f = np.exp(rng.uniform(-0.5, 0.4)) if rng.random() < amount else 1.0
        f = min(f, 0.85 * H / h, 0.85 * W / w) if max(h * f / H, w * f / W) > 0.85 else f
        angle = rng.normal(0, 15) if rng.random() < amount * 0.5 else 0
        if f == 1.0 and angle == 0:
            return rgb, shape
        t = cv2.getRotationMatrix2D((w / 2, h / 2), angle, f)
        c, s = abs(t[0, 0]), abs(t[0, 1])
        nw, nh = int(h * s + w * c) + 1, int(h * c + w * s) + 1
        t[:, 2] += (nw / 2 - w / 2, nh / 2 - h / 2)
        rgb = cv2.warpAffine(np.ascontiguousarray(rgb), t, (nw, nh), flags=[cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA][rng.integers(3)], borderMode=cv2.BORDER_REFLECT)
        return rgb, cv2.warpAffine(np.ascontiguousarray(shape), t, (nw, nh), flags=cv2.INTER_NEAREST)

    def paste(self, rng, host, rgb, shape, origin=None):
        """Blend a patch into the host; returns picture and mask. With `origin` (copy-move) the copy must land off its source."""
        H, W = self.size
        h, w = min(shape.shape[0], H), min(shape.shape[1], W)
        rgb, shape = rgb[:h, :w], shape[:h, :w]
        for _ in range(8):
            y, x = rng.integers(0, H - h + 1), rng.integers(0, W - w + 1)
            if origin is None or np.hypot(y - origin[0], x - origin[1]) > max(16, 0.5 * min(h, w)):
                break
        self.pasted = (y, x)
        alpha = shape.astype(np.float32) / 255
        if rng.random() < 0.6:
            alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.4, 2.0))
        patch = rgb.astype(np.float32)
        if origin is None and rng.random() < 0.4:  # move the donor's colours towards the host's
            on = shape > 0
            here, there = patch[on].mean(0) if on.any() else 0, host[y:y + h, x:x + w].reshape(-1, 3).mean(0)
            patch = patch + (there - here) * rng.uniform(0.2, 0.8)
        if rng.random() < 0.2:
            patch = (patch - 128) * rng.uniform(0.8, 1.2) + 128 + rng.uniform(-20, 20)
        out, mask = host.copy(), np.zeros((H, W), np.uint8)
        area = out[y:y + h, x:x + w]
        area[:] = np.clip(area + alpha[..., None] * (patch - area) + 0.5, 0, 255).astype(np.uint8)
        mask[y:y + h, x:x + w] = np.where(alpha > 0.5, 255, 0)
        return out, mask

    def remove(self, rng, host):
        """Cover a region: inpainting, a heavy blur, or the texture beside it."""
        H, W = self.size
        _, shape, (y, x) = self.patch(rng, host)
        mask = np.zeros((H, W), np.uint8)
        mask[y:y + shape.shape[0], x:x + shape.shape[1]] = shape
        kind = rng.random()
        if kind < 0.5 and (mask > 0).mean() < 0.08:
            filled = cv2.inpaint(host, mask, 5, cv2.INPAINT_TELEA if rng.random() < 0.7 else cv2.INPAINT_NS)
        elif kind < 0.75:
            filled = cv2.resize(cv2.inpaint(cv2.resize(host, (W // 4, H // 4), interpolation=cv2.INTER_AREA),
                                            cv2.dilate(cv2.resize(mask, (W // 4, H // 4)), np.ones((3, 3))), 3, cv2.INPAINT_TELEA), (W, H), interpolation=cv2.INTER_CUBIC)
            if rng.random() < 0.5:
                filled = np.clip(filled + rng.normal(0, rng.uniform(0.5, 4), filled.shape), 0, 255).astype(np.uint8)
        else:
            dy, dx = rng.integers(-H // 3, H // 3), rng.integers(-W // 3, W // 3)
            filled = np.roll(host, (dy, dx), (0, 1))
        alpha = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.3, 2)).astype(np.float32)[..., None] / 255
        return np.clip(host + alpha * (filled.astype(np.float32) - host) + 0.5, 0, 255).astype(np.uint8), mask

    def local_edit(self, rng, host):
        """Blur, sharpen, grain, recolour, resample or recompress a region."""
        H, W = self.size
        _, shape, (y, x) = self.patch(rng, host)
        mask = np.zeros((H, W), np.uint8)
        mask[y:y + shape.shape[0], x:x + shape.shape[1]] = shape
        kind, f = rng.integers(6), host.astype(np.float32)
        if kind == 0:
            f = cv2.GaussianBlur(f, (0, 0), rng.uniform(0.8, 3))
        elif kind == 1:
            f = f + rng.uniform(0.5, 2) * (f - cv2.GaussianBlur(f, (0, 0), 1.5))
        elif kind == 2:
            f = f + rng.normal(0, rng.uniform(2, 10), (H, W, 1 if rng.random() < 0.5 else 3))
        elif kind == 3:
            f = (f - 128) * rng.uniform(0.6, 1.4) + 128 + rng.uniform(-40, 40, 3)
        elif kind == 4:
            s = rng.uniform(0.4, 0.8)
            f = cv2.resize(cv2.resize(f, None, fx=s, fy=s, interpolation=cv2.INTER_AREA), (W, H), interpolation=cv2.INTER_CUBIC)
        else:
            f = decode(encode_jpeg(host, rng.integers(30, 80))).astype(np.float32)
        alpha = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.3, 2)).astype(np.float32)[..., None] / 255
        return np.clip(host + alpha * (f - host) + 0.5, 0, 255).astype(np.uint8), mask

    def forge(self, rng, kinds=(0.42, 0.33, 0.13, 0.12)):
        """One synthetic forgery: RGB and mask before it is saved."""
        host = self.host(rng)
        kind = rng.choice(4, p=kinds)
        if kind == 0:
            rgb, shape, _ = self.patch(rng)
            return self.paste(rng, host, *self.warp(rng, rgb, shape, 0.7))
        if kind == 1:
            rgb, shape, origin = self.patch(rng, host)
            return self.paste(rng, host, *self.warp(rng, rgb, shape, 0.25), origin=origin)
        return self.remove(rng, host) if kind == 2 else self.local_edit(rng, host)

    # -- samples
    def draw(self, rng):
        """(bytes or RGB array, mask, label, judged) of one picture."""
        kind = rng.choice(4, p=self.mix)
        if kind == 0:                                    # a real forgery
            row = self.forged[rng.integers(len(self.forged))]
            mask = np.where(self._mask(row) > 127, 255, 0).astype(np.uint8)
            buf, out = read_bytes(row["image"]), None
            out, mask = self.rework(rng, buf, mask, 0.75)
            return out, mask, 1, out is not buf
        if kind == 1:                                    # casia1's authentic, often saved once more with a forger's tables
            buf, mask = self._untouched(self.authentic[rng.integers(len(self.authentic))])
            out = buf if rng.random() < 0.3 else self.save(rng, decode(buf), 65, 100)
            out, mask = self.rework(rng, out, mask, 0.65)
            return out, mask, 0, out is not buf
        if kind == 2:
            rgb, mask = self.forge(rng)
            label = int((mask > 0).mean() > 0.002)
        elif rng.random() < 0.35:                        # a photograph's own file, as cameras and sites wrote it; synthetic forgeries end in such tables too
            return (*self.rework(rng, *self._untouched(self.photos[rng.integers(len(self.photos))]), 0.35), 0, True)
        else:
            rgb, mask, label = self.host(rng, 0.25), np.zeros(self.size, np.uint8), 0
        out = self.save(rng, rgb, 65, 100, png=0.35 if self.large else 0.25)
        return (*self.rework(rng, rgb if out is None else out, mask, 0.35), label, True)

    def sample(self, rng):
        """One training sample (see the top of this file) of exactly `size`, mirrored and turned at random."""
        H, W = self.size
        out, mask, label, judged = self.draw(rng)
        table, luma, rgb = np.zeros(64, np.float32), None, None
        if isinstance(out, bytes):
            table = quant_tables(out).get(0, table)
            luma = decode_luma(out)
            if self.pixels:
                rgb = decode(out)
        else:
            rgb = out
            if not self.pixels:  # no JPEG: what the network itself would compute from the pixels, as a file of table 1
                luma, table = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.ones(64, np.float32)
        turn = (mask.shape[0] > mask.shape[1]) != (H > W) if H != W else rng.random() < 0.5
        if turn:  # the transpose of a block is the transpose of its coefficients
            luma, rgb, mask = (None if a is None else np.ascontiguousarray(np.swapaxes(a, 0, 1)) for a in (luma, rgb, mask))
            square = np.empty(64, np.float32)
            square[ZIGZAG] = table
            table = square.reshape(8, 8).T.reshape(64)[ZIGZAG].copy()
        h, w = mask.shape
        ph, pw = max(0, H - h), max(0, W - w)
        ph, pw = ph + -(h + ph) % 8, pw + -(w + pw) % 8
        if ph or pw:  # a shrunk picture: reflect, the net sees such borders nowhere else but the grid stays where it was
            pad = ((0, ph), (0, pw))
            luma = None if luma is None else np.pad(luma, pad, mode="symmetric")
            rgb = None if rgb is None else np.pad(rgb, (*pad, (0, 0)), mode="symmetric")
            mask = np.pad(mask, pad, mode="symmetric")
            h, w = mask.shape
        y, x = rng.integers(0, (h - H) // 8 + 1) * 8, rng.integers(0, (w - W) // 8 + 1) * 8
        cut = (slice(y, y + H), slice(x, x + W))
        mask = mask[cut]
        dct = np.zeros((self.k, H // 8, W // 8), np.float32) if luma is None else quantised(luma[cut], table, self.k)
        item = {"dct": dct, "qtable": table, "mask": mask, "label": np.float32(label and mask.any()), "judged": np.float32(judged)}
        if self.pixels:
            item["pixels"] = np.ascontiguousarray(rgb[cut])
        if rng.random() < 0.5:  # mirrored: the odd horizontal (or vertical) frequencies change sign
            item = mirror(item, 1)
        if rng.random() < 0.5:
            item = mirror(item, 0)
        return item


    def copy_move_sample(self, rng, pairs=48, grid=64):
        """For the self-correlation branch: a copy-move (or an untouched picture), `both` = copy and source, and true pairs of places
        (copy, source) on the grid of the squeezed picture, -1 where there are none."""
        H, W = self.size
        host = self.host(rng, 0.35)
        both, found, label = np.zeros((H, W), np.uint8), np.full((pairs, 2), -1, np.int64), 0
        rgb = host
        if rng.random() < 0.75:
            patch, shape, (sy, sx) = self.patch(rng, host)
            # the patch carries its own coordinates through the warp, so that every copied pixel knows its source
            ys, xs = np.mgrid[sy:sy + patch.shape[0], sx:sx + patch.shape[1]].astype(np.float32)
            state = rng.bit_generator.state
            warped, wshape = self.warp(rng, patch, shape, 0.35)
            after = rng.bit_generator.state
            rng.bit_generator.state = state
            coords, _ = self.warp(rng, np.dstack([ys, xs, ys]), shape, 0.35)
            rng.bit_generator.state = after
            rgb, mask = self.paste(rng, host, warped, wshape, origin=(sy, sx))
            y, x = np.where(mask)
            if len(y) > 60:
                label = 1
                both[:] = mask
                h, w = shape.shape
                both[sy:sy + h, sx:sx + w] |= shape[:max(0, H - sy), :max(0, W - sx)]
                top, left = self.pasted
                ch, cw = coords.shape[:2]
                for i, j in enumerate(rng.integers(0, len(y), pairs)):
                    # centre of the copy's place -> source position -> its place
                    cy, cx = int(y[j] * grid / H), int(x[j] * grid / W)
                    py, px = int((cy + 0.5) * H / grid) - top, int((cx + 0.5) * W / grid) - left
                    if 0 <= py < min(ch, wshape.shape[0]) and 0 <= px < min(cw, wshape.shape[1]) and wshape[py, px]:
                        oy, ox = coords[py, px, :2]
                        qy, qx = int(oy * grid / H), int(ox * grid / W)
                        if 0 <= qy < grid and 0 <= qx < grid and max(abs(qy - cy), abs(qx - cx)) >= 5:
                            found[i] = (cy * grid + cx, qy * grid + qx)
        elif rng.random() < 0.4:
            rgb = self.paste(rng, host, *self.warp(rng, *self.patch(rng)[:2], 0.7))[0]  # a splice is no copy-move
        out = self.save(rng, rgb, 50, 100, png=0.3)
        out, both = self.rework(rng, rgb if out is None else out, both, 0.3)
        rgb = decode(out) if isinstance(out, bytes) else out
        if rng.random() < 0.5:
            f, both = rgb[:, ::-1], both[:, ::-1]
            rgb = np.ascontiguousarray(f)
            on = found[:, 0] >= 0
            found[on] = found[on] // grid * grid + (grid - 1 - found[on] % grid)
        if rgb.shape[:2] != (H, W):
            rgb, both = cv2.resize(rgb, (W, H), interpolation=cv2.INTER_AREA), cv2.resize(both, (W, H), interpolation=cv2.INTER_NEAREST)
        return {"pixels": np.ascontiguousarray(rgb), "both": np.ascontiguousarray(both), "mask": np.ascontiguousarray(both), "pairs": found, "label": np.float32(label),
                "dct": np.zeros(1, np.float32), "qtable": np.zeros(1, np.float32)}


def mirror(item, axis):
    """Flip a sample along image axis 0 (up-down) or 1 (left-right) in pixels, mask and coefficients alike."""
    order = ZIGZAG[:item["dct"].shape[0]]
    odd = (order % 8 if axis else order // 8) % 2
    sign = np.where(odd, -1.0, 1.0).astype(np.float32)[:, None, None]
    out = dict(item)
    out["dct"] = np.ascontiguousarray(np.flip(item["dct"], axis + 1)) * sign
    for name in ("mask", "pixels"):
        if name in item:
            out[name] = np.ascontiguousarray(np.flip(item[name], axis))
    return out


def stream(forger, seed, draw="sample"):
    """Endless samples."""
    rng = np.random.default_rng(seed)
    while True:
        yield getattr(forger, draw)(rng)


if __name__ == "__main__":  # python3 training/forgeries.py DATA OUT [PHOTOGRAPHS]: a panel of samples to look at, and the cost of one
    import sys
    import time
    f, rng = Forger(sys.argv[1], photographs=sys.argv[3] if len(sys.argv) > 3 else ""), np.random.default_rng(7)
    start, rows = time.time(), []
    items = [f.sample(rng) for _ in range(60)]
    print(f"first 60: {(time.time() - start) / 60 * 1e3:.1f} ms a sample")
    start = time.time()
    for _ in range(200):
        f.sample(rng)
    print(f"next 200: {(time.time() - start) / 200 * 1e3:.1f} ms a sample")
    for i in range(0, 48, 6):
        rows.append(np.vstack([np.hstack([it["pixels"] for it in items[i:i + 6]]), np.hstack([np.repeat(it["mask"][..., None], 3, 2) for it in items[i:i + 6]])]))
    cv2.imwrite(sys.argv[2], cv2.resize(np.vstack(rows)[:, :, ::-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
