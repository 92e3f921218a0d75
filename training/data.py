"""Pictures, their JPEG coefficients, and forgeries made on the fly.

A sample is what a localizer sees of one picture, cut at multiples of 8 so that the JPEG grid stays aligned:
  pixels  uint8   H x W x 3   RGB
  dct     float32 K x H/8 x W/8  luminance coefficients as stored in the file (quantised), first K zigzag positions; 0 without a JPEG
  qtable  float32 64          luminance quantisation table, zigzag order; 0 without a JPEG
  mask    uint8   H x W       255 where manipulated
  label   1 forged, 0 authentic
  judged  whether the image-level loss may use it (casia1's untouched files tell the label by their tables: it may not)
Randomness comes from one numpy Generator per worker, so that a seed names a stream of samples.
"""
import csv
import os

import cv2
import numpy as np

cv2.setNumThreads(1)
K = 28
ZIGZAG = np.array(sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8))))
_k, _n = np.mgrid[:8, :8]
DCT8 = (np.cos((2 * _n + 1) * _k * np.pi / 16) * np.where(_k == 0, np.sqrt(1 / 8), 0.5)).astype(np.float32)


# ---------------------------------------------------------------- files
def read_manifest(root, **where):
    """Rows of manifest.csv (image,mask,label,dataset,kind,split,licence) that match every given column; paths made absolute."""
    rows = []
    with open(os.path.join(root, "manifest.csv"), newline="") as f:
        for row in csv.DictReader(f):
            if all(row[c] in (v if isinstance(v, (list, tuple, set)) else [v]) for c, v in where.items()):
                row["name"], row["label"] = row["image"], int(row["label"])
                row["image"] = os.path.join(root, row["image"])
                row["mask"] = os.path.join(root, row["mask"]) if row["mask"] else ""
                rows.append(row)
    return rows


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def decode(buf):
    """RGB uint8 H x W x 3 of an encoded picture, EXIF orientation ignored (masks are in file orientation)."""
    return cv2.imdecode(np.frombuffer(buf, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[:, :, ::-1]


def decode_luma(buf):
    """The Y channel exactly as libjpeg decodes it: the inverse transform of the file's luminance coefficients."""
    return cv2.imdecode(np.frombuffer(buf, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def encode_jpeg(rgb, quality, table=None):
    """JPEG bytes, 4:2:0. With `table` (two lists of 64, zigzag order as `quant_tables` gives them) those tables are used instead of libjpeg's scaled ones."""
    if table is not None:
        import io
        from PIL import Image
        out, rows = io.BytesIO(), np.empty((len(table), 64), int)
        rows[:, ZIGZAG] = table  # Pillow wants them row by row
        Image.fromarray(np.ascontiguousarray(rgb)).save(out, "JPEG", qtables=rows.tolist(), subsampling=2)
        return out.getvalue()
    return cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1].tobytes()


def quant_tables(buf):
    """{id: 64 entries in zigzag order} from the DQT segments of a JPEG; {} when the bytes are not a JPEG."""
    tables, i = {}, 2
    if buf[:2] != b"\xff\xd8":
        return tables
    while i + 4 <= len(buf) and buf[i] == 0xFF:
        kind, length = buf[i + 1], buf[i + 2] * 256 + buf[i + 3]
        if kind == 0xDA:
            break
        if kind == 0xDB:
            p, end = i + 4, i + 2 + length
            while p < end:
                wide, slot = buf[p] >> 4, buf[p] & 15
                raw = np.frombuffer(buf[p + 1:p + 1 + 64 * (1 + wide)], ">u2" if wide else "u1")
                tables[slot] = raw.astype(np.float32)
                p += 1 + 64 * (1 + wide)
        i += 2 + length
    return tables


def block_dct(luma, k=K):
    """k x H/8 x W/8 orthonormal DCT of 8x8 blocks of a luminance picture, zigzag order (H, W multiples of 8)."""
    h, w = luma.shape
    x = DCT8 @ (luma.astype(np.float32) - 128).reshape(h // 8, 8, w)
    x = x.reshape(h // 8, 8, w // 8, 8) @ DCT8.T
    return np.ascontiguousarray(x.transpose(1, 3, 0, 2).reshape(64, h // 8, w // 8)[ZIGZAG[:k]])


def quantised(luma, table, k=K):
    """The file's coefficients recomputed from its decoded luminance (exact up to clipping)."""
    return np.round(block_dct(luma, k) / table[:k, None, None])


def network_input(buf, k=K, use_dct=True):
    """What serving hands to the network for one whole file: padded pixels, dct, qtable and the picture's own size."""
    rgb = decode(buf)
    h, w = rgb.shape[:2]
    ph, pw = -h % 8, -w % 8
    pixels = np.pad(rgb, ((0, ph), (0, pw), (0, 0)), mode="edge")
    tables = quant_tables(buf)
    if 0 in tables and use_dct:
        dct = quantised(np.pad(decode_luma(buf), ((0, ph), (0, pw)), mode="edge"), tables[0], k)
        return pixels, dct, tables[0], (h, w)
    return pixels, np.zeros((k, (h + ph) // 8, (w + pw) // 8), np.float32), np.zeros(64, np.float32), (h, w)


# ---------------------------------------------------------------- degradations (the same names as the C# `eval`, which shrinks by Lanczos3 and draws other noise)
def degrade(rgb, mask, name, seed=0):
    """(encoded bytes, mask) after a whole-picture change: jpegQ, resizeF, blur1, noise5, social. Lossless except where JPEG is the change."""
    h, w = rgb.shape[:2]

    def resize(f):
        size = (max(8, int(round(w * f))), max(8, int(round(h * f))))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if f < 1 else cv2.INTER_LINEAR)
        return small, None if mask is None else cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)

    if name.startswith("jpeg"):
        return encode_jpeg(rgb, int(name[4:])), mask
    if name == "social":
        out, m = resize(1080 / max(h, w)) if max(h, w) > 1080 else (rgb, mask)
        return encode_jpeg(out, 75), m
    if name.startswith("resize"):
        out, m = resize(float(name[6:]))
    elif name.startswith("blur"):
        out, m = cv2.GaussianBlur(rgb, (0, 0), float(name[4:])), mask
    elif name.startswith("noise"):
        noise = np.random.default_rng(seed).normal(0, float(name[5:]), rgb.shape)
        out, m = np.clip(np.round(rgb + noise), 0, 255).astype(np.uint8), mask
    else:
        raise ValueError(f"unknown degradation {name}")
    return cv2.imencode(".png", np.ascontiguousarray(out[:, :, ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes(), m


# ---------------------------------------------------------------- what is written is what is read
def self_test():
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
    for quality in (35, 75, 92):  # libjpeg's own tables, written anew
        tables = quant_tables(encode_jpeg(rgb, quality))
        again = quant_tables(encode_jpeg(rgb, 0, [[int(v) for v in tables[slot]] for slot in (0, 1)]))
        assert all((again[slot] == tables[slot]).all() for slot in (0, 1))
    table = rng.permutation(np.arange(2, 66))  # no two alike: any other order shows
    assert (quant_tables(encode_jpeg(rgb, 0, [table, table]))[0] == table).all()
    print("self-test passed: tables come back in the order in which they were given")


if __name__ == "__main__":
    self_test()
