"""The router's features, defined to the letter so that another language gives the same numbers (definition "router-features/2").

Everything is integer arithmetic up to the last step of each family, so nothing depends on a library's resampling or rounding.

0. Grid. The decoded picture (uint8 RGB, H x W, orientation as decoded, alpha dropped) becomes a 256 x 256 x 3 grid of integers.
   Row i of the grid covers picture rows y0..y1-1 with y0 = floor(i*H/256), y1 = max(floor((i+1)*H/256), y0+1); columns likewise
   with W. A cell is the mean of its n pixels, rounded half up, per channel: floor((2*sum + n) / (2*n)).
   (Smaller pictures repeat pixels; the aspect ratio is given up: size and shape must not tell the class.)
1. Grey in thousandths, an integer: Y = 299*R + 587*G + 114*B  (0..255000).

Features, float32, in this order (847):
   [0]        ln(1 + V): V = population variance of the Laplacian of Y/1000 over the 254 x 254 inner cells,
              L(i,j) = (Y(i-1,j) + Y(i+1,j) + Y(i,j-1) + Y(i,j+1) - 4*Y(i,j)) / 1000.
   [1..64]    ln(1 + |C(u,v)|), u = 8..15 (vertical, outer loop), v = 8..15 (horizontal, inner loop): the orthonormal 2-D DCT-II
              of Y/1000, C(u,v) = (2/256) * sum_i sum_j Y(i,j)/1000 * cos(pi*(2i+1)*u/512) * cos(pi*(2j+1)*v/512).
   [65..320]  histogram of R over the grid: bin k = number of cells of value k / 65536; [321..576] of G; [577..832] of B.
   [833..842] uniform local binary patterns (P 8, R 1) of Y over the inner cells: neighbour p has bit 1 when Y(neighbour) >= Y(centre);
              the eight neighbours are the touching cells in circular order (right, up right, up, up left, left, down left, down,
              down right; nothing is interpolated). If the circular sequence changes value at most twice, the code is the number of
              ones (0..8), else 9. Bin k = number of inner cells of code k / 64516.
   [843..846] the faces found, boxes in whole pixels (x, y, width, height), zeros without any: how many, at most 5; longer side of the
              largest box (by longer side, the first of equals) / shorter side of the picture; its centre's distance from the picture's
              centre, max(|x + width/2 - W/2| / W, |y + height/2 - H/2| / H); sum of the boxes' areas / (W*H), at most 1.

    python3 training/features.py --golden DIR     # a picture from an integer formula and its features, for tests in other languages
    python3 training/features.py PICTURE...       # one line of JSON per picture
"""
import json, os, sys
import cv2
import numpy as np

VERSION, GRID = "router-features/2", 256
_at = np.pi * (2 * np.arange(GRID) + 1)[None] * np.arange(8, 16)[:, None] / (2 * GRID)
BASIS = np.cos(_at) * np.sqrt(2 / GRID)


def grid(rgb):
    """uint8 H x W x 3 -> int64 256 x 256 x 3 of cell means."""
    h, w = rgb.shape[:2]
    y, x = np.arange(GRID) * h // GRID, np.arange(GRID) * w // GRID
    ny, nx = (np.maximum(np.diff(np.append(at, n)), 1) for at, n in ((y, h), (x, w)))
    total = np.add.reduceat(np.add.reduceat(rgb.astype(np.int64), y, 0), x, 1)
    n = (ny[:, None] * nx[None])[..., None]
    return (2 * total + n) // (2 * n)


def face_features(faces, height, width):
    """Boxes (x, y, width, height) in whole pixels -> float64[4]."""
    if not len(faces):
        return np.zeros(4)
    x, y, w, h = max(faces, key=lambda f: max(f[2], f[3]))
    away = max(abs(x + w / 2 - width / 2) / width, abs(y + h / 2 - height / 2) / height)
    return np.float64([min(len(faces), 5), max(w, h) / min(height, width), away, min(1.0, sum(f[2] * f[3] for f in faces) / (height * width))])


def features(rgb, faces):
    """uint8 RGB H x W x 3 and the boxes of its faces -> float32[847]."""
    g = grid(rgb)
    grey = g @ np.int64([299, 587, 114])
    c = grey[1:-1, 1:-1]
    lap = (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * c) / 1000.0
    dct = BASIS @ (grey / 1000.0) @ BASIS.T
    hist = [np.bincount(g[..., k].ravel(), minlength=256) / GRID ** 2 for k in range(3)]
    ring = [(1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]
    bits = np.stack([grey[i:i + GRID - 2, j:j + GRID - 2] >= c for i, j in ring]).astype(np.int64)
    changes = (bits != np.roll(bits, 1, 0)).sum(0)
    lbp = np.bincount(np.where(changes <= 2, bits.sum(0), 9).ravel(), minlength=10) / (GRID - 2) ** 2
    return np.concatenate([[np.log1p(lap.var())], np.log1p(np.abs(dct)).ravel(), *hist, lbp, face_features(faces, *rgb.shape[:2])]).astype(np.float32)


def golden_picture(width=300, height=211):
    """A picture from integers alone: R = (7x + 13y + floor(xy/8)) mod 256, G = floor((x*x + 3y*y)/64) mod 256,
    B = ((x xor y)*5 + s) mod 256 where s = floor(q/65536) mod 32 and q = (1103515245*(y*width + x) + 12345) mod 2^31."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    q = (1103515245 * (y * width + x) + 12345) % 2 ** 31
    return np.stack([(7 * x + 13 * y + x * y // 8) % 256, (x * x + 3 * y * y) // 64 % 256, ((x ^ y) * 5 + q // 65536 % 32) % 256], 2).astype(np.uint8)


def main():
    if sys.argv[1:2] == ["--golden"]:
        folder = sys.argv[2]
        os.makedirs(folder, exist_ok=True)
        cases = {}
        for w, h, faces in ((300, 211, [(31, 40, 90, 97)]), (640, 513, [(5, 9, 60, 60), (333, 201, 120, 118), (400, 10, 120, 90)]), (97, 60, [])):
            rgb = golden_picture(w, h)
            cv2.imwrite(os.path.join(folder, f"router-{w}x{h}.png"), rgb[..., ::-1])
            cases[f"router-{w}x{h}.png"] = dict(width=w, height=h, faces=faces, features=[float(f"{v:.7g}") for v in features(rgb, faces)])
        json.dump(dict(version=VERSION, formula=golden_picture.__doc__, cases=cases), open(os.path.join(folder, "router-features.json"), "w"), indent=1)
        return
    for path in sys.argv[1:]:                                                # without its faces
        print(json.dumps(dict(image=path, features=[float(v) for v in features(cv2.imread(path)[..., ::-1], [])])))


if __name__ == "__main__":
    main()
