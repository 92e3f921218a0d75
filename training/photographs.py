"""Photographs of camera size, free ones, from Debian's packages of desktop backgrounds: what the research data sets, small and saved again, do not have.

    python3 training/photographs.py --out runs/photographs          # needs apt-get and dpkg; 130 MB are fetched, 39 photographs kept

Writes the pictures and a manifest.csv (dataset `debian`, split train or val). train.py --photographs takes those of split=train; with `--derived` those of
split=val are written once more as people show them: `web75` and `web85` (long side 1200, JPEG), `crop92` (1024 x 768 cut out on the JPEG grid, JPEG 92), `png` (such a cut
at 0.7 of its size, lossless).
"""
import argparse
import csv
import os
import shutil
import subprocess
import tempfile

import cv2

from data import decode, encode_jpeg, read_bytes

BACKGROUNDS, WALLPAPERS = "usr/share/backgrounds", "usr/share/wallpapers"
# package -> folder, names of split=train, names of split=val
SOURCES = {
    "lomiri-wallpapers-16.04": (BACKGROUNDS, "Dragonfly_by_Bolly Picture_0B_by_freespace Wine_by_Jakkub_Mede aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi "
                                "greentock_by_Peter_Nerlich picosdeeuropa_by_Aitzol_Berasategi sunset_by_Aitzol_Berasategi",
                                "Bridge_by_Sander_Klootwijk Picture_1A_by_freespace analogpattern_by_Peter_Nerlich life_by_Aitzol_Berasategi seeding_by_Clements_Engelhardt"),
    "lomiri-wallpapers-20.04": (BACKGROUNDS, "Kleiber_by_Lukas_Baubkus", ""),
    "mate-backgrounds": (BACKGROUNDS + "/mate/nature", "Blinds Dune Garden GreenMeadow RainDrops TwoWings Wood YellowFlower", "Aqua FreshFlower LadyBird Storm"),
    "plasma-workspace-wallpapers": (WALLPAPERS, "ColdRipple ColorfulCups DarkestHour FallenLeaf Kite OneStandsOut Volna", "BytheWater EveningGlow Grey Path summer_1am"),
}


def path(package, folder, name):
    if package != "plasma-workspace-wallpapers":
        return f"{folder}/{name}.jpg"
    return f"{folder}/{name}/contents/images/{'5120x2880' if name == 'Volna' else '2560x1600'}.jpg"


def derived(rgb):
    """(name, suffix, bytes) of what people show of a photograph."""
    h, w = rgb.shape[:2]
    web = cv2.resize(rgb, None, fx=1200 / max(h, w), fy=1200 / max(h, w), interpolation=cv2.INTER_AREA)
    y, x = (h - 768) // 16 * 8, (w - 1024) // 16 * 8
    cut = rgb[y:y + 768, x:x + 1024]
    return [("web75", ".jpg", encode_jpeg(web, 75)), ("web85", ".jpg", encode_jpeg(web, 85)), ("crop92", ".jpg", encode_jpeg(cut, 92)),
            ("png", ".png", cv2.imencode(".png", cv2.resize(cut, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)[:, :, ::-1])[1].tobytes())]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("--derived", action="store_true", help="the pictures of split=val as people show them, too")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for package, (folder, train, val) in SOURCES.items():
            subprocess.run(["apt-get", "download", "-q", package], cwd=work, check=True)
            deb = next(f for f in os.listdir(work) if f.startswith(package + "_"))
            subprocess.run(["dpkg", "-x", deb, package], cwd=work, check=True)
            for split, names in (("train", train), ("val", val)):
                for name in names.split():
                    file = f"{name}.jpg"
                    shutil.copy(os.path.join(work, package, path(package, folder, name)), os.path.join(a.out, file))
                    rows.append((file, "debian", split, package))
                    if split == "val" and a.derived:
                        for kind, suffix, data in derived(decode(read_bytes(os.path.join(a.out, file)))):
                            with open(os.path.join(a.out, f"{name}-{kind}{suffix}"), "wb") as f:
                                f.write(data)
                            rows.append((f"{name}-{kind}{suffix}", kind, split, package))
    with open(os.path.join(a.out, "manifest.csv"), "w", newline="") as f:
        out = csv.writer(f)
        out.writerow("image mask label dataset kind split licence".split())
        out.writerows((file, "", 0, dataset, "photo", split, f"Debian package {package}: see its copyright file") for file, dataset, split, package in rows)
    print(f"{len(rows)} pictures in {a.out}")


if __name__ == "__main__":
    main()
