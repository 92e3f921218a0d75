"""The same pictures as telephones store them: pixels turned without loss, and the EXIF orientation that turns them back for a viewer.

    python3 training/turned.py --data DATA/manifest.csv --where split=val --orientation 6 --out runs/turned6
    ./palimpsest eval --data runs/turned6/manifest.csv --out runs/turned6/eval

What is shown is the same picture, so masks and figures must be those of the upright set (`--orientation 1` writes the very same pictures unturned). JPEG only, and only where whole blocks can be
turned (jpegtran -perfect, Debian: libjpeg-turbo-progs); how many were left out is printed.
"""

import argparse
import csv
import pathlib
import struct
import subprocess

# What jpegtran does to the upright picture, so that the orientation (TIFF 6.0 tag 274) undoes it.
TURNS = {1: [], 2: ["-flip", "horizontal"], 3: ["-rotate", "180"], 4: ["-flip", "vertical"], 5: ["-transpose"], 6: ["-rotate", "270"], 7: ["-transverse"], 8: ["-rotate", "90"]}


def exif(orientation):
    tiff = b"II*\0" + struct.pack("<IHHHIIxxxx", 8, 1, 0x112, 3, 1, orientation)
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def turn(path, turns):
    """The picture's bytes, or None where it has blocks that cannot be turned. All three are tried whatever the orientation, so that all sets hold the same pictures."""
    plain = path.read_bytes()
    for probe in (["-rotate", "90"], ["-rotate", "180"], ["-transverse"]):
        if subprocess.run(["jpegtran", "-perfect", *probe, path], capture_output=True).returncode != 0:
            return None
    return subprocess.run(["jpegtran", "-copy", "none", *turns, path], capture_output=True, check=True).stdout if turns else plain


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="manifest.csv")
    parser.add_argument("--where", default="", help="column=value,…")
    parser.add_argument("--orientation", type=int, choices=sorted(TURNS), required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    wanted = dict(pair.split("=") for pair in args.where.split(",") if pair)
    args.out.mkdir(parents=True, exist_ok=True)
    kept = left = 0
    with args.data.open(newline="") as source, (args.out / "manifest.csv").open("w", newline="") as target:
        rows = csv.writer(target)
        rows.writerow(["image", "mask", "label", "dataset", "kind"])
        for row in csv.DictReader(source):
            if any(row[column] != value for column, value in wanted.items()):
                continue
            path = args.data.parent / row["image"]
            turned = turn(path, TURNS[args.orientation]) if path.suffix.lower() in (".jpg", ".jpeg") else None
            if turned is None:
                left += 1
                continue
            name = row["image"].replace("/", "_")
            (args.out / name).write_bytes(turned[:2] + exif(args.orientation) + turned[2:])
            mask = str((args.data.parent / row["mask"]).resolve()) if row["mask"] else ""
            rows.writerow([name, mask, row["label"], row["dataset"], row["kind"]])
            kept += 1
    print(f"{kept} pictures, {left} left out (no JPEG, or not of whole blocks)")


if __name__ == "__main__":
    main()
