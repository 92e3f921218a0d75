"""Checkpoint -> models/NAME.onnx + models/NAME.json (manifest and card):
  python3 training/export_onnx.py --ckpt runs/fused/last.pt --card training/cards/shallowfake.json --metrics runs/fused/metrics.json --version 1.0.0
  python3 training/export_onnx.py --ckpt runs/fused/last.pt --check runs/check       reference inputs and outputs for the C# runner
  python3 training/export_onnx.py --compare runs/check/theirs --check runs/check     maximum difference of someone's outputs from ours

Opset 16, every size dynamic. Constraints that rewrite weights on each forward (Bayar) are frozen first; pooling to bins is written as
fixed averaging because adaptive pooling does not export with a dynamic size.
"""
import argparse
import hashlib
import json
import os
import subprocess

import numpy as np
import torch
import torch.nn as nn

from metrics import load
from model import FusedNet

NAMES = ("pixels", "dct", "qtable")


class KeepInputs(nn.Module):
    """An input that a network ignores must stay in the graph: the contract names all three."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pixels, dct, qtable):
        mask, score, activation = self.net(pixels, dct, qtable)
        nothing = 0 * (pixels[:, :1, :1, :1].float() + dct[:, :1, :1, :1] + qtable[:, :1, None, None])
        return mask + nothing, score, activation


def export(net, path, k=28, size=(256, 384)):
    h, w = size
    pixels, axes = (as_bytes(torch.rand(1, 3, h, w)), {1: "h", 2: "w"}) if takes_bytes(net) else (torch.rand(1, 3, h, w), {2: "h", 3: "w"})
    example = (pixels, torch.randint(-3, 4, (1, k, h // 8, w // 8)).float(), torch.full((1, 64), 8.0))
    batch = {0: "n"}
    torch.onnx.export(KeepInputs(net).eval(), example, path, opset_version=16, input_names=list(NAMES), output_names=["mask", "score", "activation"],
                      dynamic_axes={"pixels": {**batch, **axes}, "dct": {**batch, 2: "bh", 3: "bw"}, "qtable": batch,
                                    "mask": {**batch, 2: "mh", 3: "mw"}, "score": batch, "activation": {**batch, 2: "ah", 3: "aw"}})
    import onnx
    onnx.checker.check_model(onnx.load(path))


def takes_bytes(net):
    """Fused networks are served with bytes (manifest: type uint8), the others with floats."""
    return isinstance(net.net, FusedNet)


def as_bytes(pixels):
    return (pixels * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def write_manifest(path, model_path, card_path, metrics_path, version):
    with open(card_path) as f:
        manifest = json.load(f)
    with open(model_path, "rb") as f:
        blob = f.read()
    manifest.update(version=version, file=os.path.basename(model_path), sha256=hashlib.sha256(blob).hexdigest())
    if metrics_path:
        with open(metrics_path) as f:
            manifest["card"]["metrics"] = json.load(f)
    try:
        manifest["card"]["commit"] = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        manifest["card"]["commit"] = "unknown"
    with open(path, "w") as f:
        json.dump(manifest, f, indent=2, ensure_ascii=False)
        f.write("\n")
    print(f"{path}: {len(blob) / 1e6:.2f} MB, sha256 {manifest['sha256'][:12]}…")


def cases(k=28):
    """Inputs that exercise the graph: sizes it was not traced with, a batch of two, a file without JPEG history."""
    for i, (n, h, w, jpeg) in enumerate(((1, 256, 384, True), (2, 200, 136, True), (1, 512, 512, True), (1, 384, 256, False))):
        g = np.random.default_rng(i)
        smooth = torch.nn.functional.interpolate(torch.from_numpy(g.random((n, 3, h // 8, w // 8), np.float32)), size=(h, w), mode="bilinear").numpy()
        pixels = np.clip(smooth + g.normal(0, 0.03, smooth.shape), 0, 1)
        pixels = (np.round(pixels * 255) / 255).astype(np.float32)                # whole bytes, as serving's are
        decay = (12 / (1 + np.arange(k))).reshape(1, k, 1, 1)
        dct = np.round(g.normal(0, 1, (n, k, h // 8, w // 8)) * decay).astype(np.float32) * jpeg
        table = np.tile(np.linspace(3, 30, 64).round().astype(np.float32), (n, 1)) * jpeg
        yield f"case{i}", {"pixels": pixels, "dct": dct, "qtable": table}


def write_check(net, out):
    os.makedirs(out, exist_ok=True)
    listing = []
    for name, inputs in cases():
        if takes_bytes(net):
            inputs["pixels"] = as_bytes(torch.from_numpy(inputs["pixels"])).numpy()
        with torch.no_grad():
            outputs = dict(zip(("mask", "score", "activation"), (o.numpy() for o in net(*(torch.from_numpy(inputs[n]) for n in NAMES)))))
        for part, arrays in (("in", inputs), ("out", outputs)):
            for key, array in arrays.items():
                np.save(os.path.join(out, f"{name}.{part}.{key}.npy"), np.ascontiguousarray(array.astype(np.float32)))
        listing.append({"name": name, "inputs": {k: list(v.shape) for k, v in inputs.items()}, "outputs": {k: list(v.shape) for k, v in outputs.items()}})
    with open(os.path.join(out, "check.json"), "w") as f:
        json.dump({"tolerance": 1e-3, "cases": listing}, f, indent=2)
    print(f"{out}: {len(listing)} cases (NAME.in.INPUT.npy, NAME.out.OUTPUT.npy, little-endian float32, C order)")


def compare(ours, theirs):
    worst = 0.0
    for case in json.load(open(os.path.join(ours, "check.json")))["cases"]:
        for key in case["outputs"]:
            file = f"{case['name']}.out.{key}.npy"
            d = np.abs(np.load(os.path.join(ours, file)) - np.load(os.path.join(theirs, file))).max()
            print(f"{case['name']} {key}: {d:.2e}")
            worst = max(worst, float(d))
    print(f"maximum difference {worst:.2e}")
    return worst <= 1e-3


def run_ort(model, check, out):
    """Where ONNX Runtime's Python package happens to be installed: run the same cases through it."""
    import onnxruntime
    os.makedirs(out, exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    kinds = {i.name: np.uint8 if "uint8" in i.type else np.float32 for i in session.get_inputs()}
    for case in json.load(open(os.path.join(check, "check.json")))["cases"]:
        inputs = {k: np.load(os.path.join(check, f"{case['name']}.in.{k}.npy")).astype(kinds[k]) for k in case["inputs"]}
        for key, array in zip(("mask", "score", "activation"), session.run(["mask", "score", "activation"], inputs)):
            np.save(os.path.join(out, f"{case['name']}.out.{key}.npy"), array)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--ckpt")
    a.add_argument("--name", default="shallowfake")
    a.add_argument("--models", default="models")
    a.add_argument("--card")
    a.add_argument("--metrics", help="JSON that becomes the card's metrics")
    a.add_argument("--version", default="0.1.0")
    a.add_argument("--check", help="folder for reference inputs and outputs")
    a.add_argument("--compare", help="folder with outputs of another runner, same file names")
    a.add_argument("--ort", help="run this model over --check with Python's ONNX Runtime into --compare first")
    args = a.parse_args()
    if args.compare:
        if args.ort:
            run_ort(args.ort, args.check, args.compare)
        raise SystemExit(0 if compare(args.check, args.compare) else 1)
    net = load(args.ckpt)
    for module in net.modules():
        if hasattr(module, "freeze"):
            module.freeze()
    if args.check:
        return write_check(net, args.check)
    os.makedirs(args.models, exist_ok=True)
    path = os.path.join(args.models, args.name + ".onnx")
    export(net, path)
    write_manifest(os.path.join(args.models, args.name + ".json"), path, args.card, args.metrics, args.version)


if __name__ == "__main__":
    main()
