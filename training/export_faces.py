"""Exports the deepfake localizer to models/deepfake.onnx with its manifest and card, after measuring it on the validation faces.

    python3 training/export_faces.py --ckpt runs/deepfake/last.pt --data DATA --blazeface FACE.onnx --swaps swaps --version 1.0.0
    python3 training/export_faces.py --ckpt runs/deepfake/last.pt --check runs/check-deepfake     # then export_onnx.py --compare
"""
import argparse, json, os
import cv2
import numpy as np
import onnx
import torch
import faces as faces_
from data import K
from export_onnx import write_manifest
from facenet import load
from train_faces import load_swaps, validate

INPUTS, OUTPUTS = ("pixels", "dct", "qtable"), ("mask", "score", "activation")


def write_check(served, out):
    """Reference inputs and outputs in export_onnx.py's form."""
    os.makedirs(out, exist_ok=True)
    listing, s = [], faces_.SIZE
    for i, n in enumerate((1, 3)):
        g = np.random.default_rng(i)
        smooth = np.stack([cv2.resize(g.random((s // 8, s // 8, 3), np.float32), (s, s)).transpose(2, 0, 1) for _ in range(n)])
        pixels = np.clip(smooth + g.normal(0, 0.03, smooth.shape), 0, 1).astype(np.float32)
        pixels = (np.round(pixels * 255) / 255).astype(np.float32)            # whole bytes, as serving's are
        decay = (12 / (1 + np.arange(K))).reshape(1, K, 1, 1)
        inputs = {"pixels": pixels, "dct": (np.round(g.normal(0, 1, (n, K, s // 8, s // 8)) * decay) * i).astype(np.float32),
                  "qtable": np.tile(np.linspace(3, 30, 64).round().astype(np.float32), (n, 1)) * i}      # the first case has no JPEG history
        with torch.no_grad():
            outputs = dict(zip(OUTPUTS, (v.numpy() for v in served(*(torch.from_numpy(inputs[k]) for k in INPUTS)))))
        for part, arrays in (("in", inputs), ("out", outputs)):
            for key, array in arrays.items():
                np.save(os.path.join(out, f"case{i}.{part}.{key}.npy"), np.ascontiguousarray(array, np.float32))
        listing.append({"name": f"case{i}", "inputs": {k: list(v.shape) for k, v in inputs.items()}, "outputs": {k: list(v.shape) for k, v in outputs.items()}})
    with open(os.path.join(out, "check.json"), "w") as f:
        json.dump({"tolerance": 1e-3, "cases": listing}, f, indent=2)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--ckpt", required=True); p.add_argument("--data"); p.add_argument("--blazeface"); p.add_argument("--swaps"); p.add_argument("--check")
    p.add_argument("--models", default="models"); p.add_argument("--version", default="1.0.0"); p.add_argument("--note", default="", help="added to the recipe")
    a = p.parse_args()
    torch.set_num_threads(1); cv2.setNumThreads(1)
    served, c = load(a.ckpt)
    if a.check:
        return write_check(served, a.check)
    os.makedirs(a.models, exist_ok=True)
    path = os.path.join(a.models, "deepfake.onnx")
    blocks = faces_.SIZE // 8
    torch.onnx.export(served, (torch.rand(2, 3, faces_.SIZE, faces_.SIZE), torch.zeros(2, K, blocks, blocks), torch.zeros(2, 64)), path, opset_version=16,
                      input_names=list(INPUTS), output_names=list(OUTPUTS), dynamic_axes={n: {0: "N"} for n in INPUTS + OUTPUTS})
    onnx.checker.check_model(onnx.load(path))
    metrics = validate(served.logits, "cpu", faces_.load(a.data, "val", a.blazeface), load_swaps(a.swaps, a.blazeface))
    card, measured = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cards", "deepfake.json"), os.path.join(os.path.dirname(a.ckpt), "metrics.json")
    with open(measured, "w") as f:
        json.dump(metrics, f, indent=1)
    manifest = os.path.join(a.models, "deepfake.json")
    write_manifest(manifest, path, card, measured, a.version)
    with open(manifest) as f:
        m = json.load(f)
    m["card"]["recipe"] = (f"python3 training/train_faces.py --width {c['width']}: {c['step']} steps in {c['spent'] / 60:.0f} minutes; averaged weights; head refitted by fit_score.py on {c['fitted']} views, "
                           f"{sum(q.numel() for q in served.net.parameters()):,} parameters, and {served.of_traces.weight.numel() + served.of_textures.weight.numel():,} weights of traces and textures, {sum(q.numel() for q in served.textures.parameters()):,} frozen parameters of a ResNet-18. {a.note}").strip()
    with open(manifest, "w") as f:
        json.dump(m, f, indent=2, ensure_ascii=False); f.write("\n")
    print(json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
