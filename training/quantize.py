"""A localizer whose 3 x 3 convolutions work in 8 bits (static QDQ): models/NAME.onnx and .json -> models/NAME-int8.onnx and .json

    ORT_LIBRARY=.../libonnxruntime.so python3 training/quantize.py --model models/shallowfake.onnx --data DATA

Weights per output channel, symmetric; activations per tensor, unsigned, their range a percentile of what `--samples` training samples gave
(Forger's stream: forgeries and photographs, with and without a JPEG). What reads the file (coefficients, combs, tables), the self-correlation's
similarities, 1 x 1 convolutions and the last layer of each head stay in float32. ONNX Runtime fuses each QuantizeLinear/DequantizeLinear pair
with its convolution. Fast where the processor multiplies bytes (AVX-512 VNNI, AVX-VNNI, ARM dot product); without, older instructions saturate.
Needs ONNX Runtime's Python package or, through tests/Bench/peers/flask/engine.py, its C library.
"""
import argparse
import hashlib
import json
import os
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "Bench", "peers", "flask"))


def reads(node):
    """Names a node needs: its inputs, and what the branches of an If take from outside."""
    names = [i for i in node.input if i]
    for branch in (a.g for a in node.attribute if a.HasField("g")):
        inside = {o for n in branch.node for o in n.output} | {w.name for w in branch.initializer}
        names += [i for n in branch.node for i in reads(n) if i not in inside] + [o.name for o in branch.output if o.name not in inside]
    return names


def chosen(graph, weights, least):
    """{convolution's index: the tensor that ends it (its own output, or that of the Relu behind)}: learned, 3 x 3, reading at least `least` channels,
    and followed by nothing but a Relu or a residual sum."""
    readers, found = {}, {}
    for n in graph.node:
        for i in reads(n):
            readers.setdefault(i, []).append(n)
    for i, n in enumerate(graph.node):
        if n.op_type != "Conv" or n.input[1] not in weights or weights[n.input[1]].shape[1] < least or weights[n.input[1]].shape[2:] != (3, 3):
            continue
        after = readers[n.output[0]]
        if len(after) == 1 and after[0].op_type in ("Relu", "Add"):
            found[i] = after[0].output[0] if after[0].op_type == "Relu" else n.output[0]
    return found


def ranges(model, names, feeds, percentile):
    """(low, high) of every named tensor over the samples: each sample's own percentiles, of these the 5th and 95th, zero always inside."""
    from engine import Session
    seen = onnx.ModelProto.FromString(model.SerializeToString())
    seen.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "seen.onnx")
        onnx.save(seen, path)
        session, low, high = Session(path), [], []
    for feed in feeds:
        found = session.run(names, feed)
        low.append([np.percentile(t, 100 - percentile) for t in found])
        high.append([np.percentile(t, percentile) for t in found])
    low, high = np.array(low), np.array(high)
    return {n: (min(0.0, float(a)), max(1e-6, float(b))) for n, a, b in zip(names, np.percentile(low, 5, axis=0), np.percentile(high, 95, axis=0))}


def samples(data, count, seed, whole):
    """`whole`: pixels as bytes."""
    from forgeries import Forger
    forger, r = Forger(data), np.random.default_rng(seed)
    for _ in range(count):
        s = forger.sample(r)
        yield {"pixels": s["pixels"][None] if whole else np.ascontiguousarray(s["pixels"].transpose(2, 0, 1)[None], np.float32) / 255, "dct": s["dct"][None], "qtable": s["qtable"][None]}


def quantise(model, convs, found):
    graph = model.graph
    weights = {w.name: w for w in graph.initializer}
    added = []

    def constant(name, value):
        graph.initializer.append(numpy_helper.from_array(value, name))

    def pair(name, scale, point):
        constant(name + ".scale", scale), constant(name + ".zero", point)
        return [name + ".q", name + ".scale", name + ".zero"]

    for name, (low, high) in found.items():
        scale = np.float32((high - low) / 255)
        q = pair(name, scale, np.uint8(np.clip(np.round(-low / scale), 0, 255)))
        added.append(helper.make_node("QuantizeLinear", [name, *q[1:]], q[:1], name=name + ".Q"))
        added.append(helper.make_node("DequantizeLinear", q, [name + ".dq"], name=name + ".DQ"))
    for index, node in enumerate(graph.node):
        for i, name in enumerate(node.input):
            node.input[i] = name + ".dq" if name in found else name
        if index not in convs:
            continue
        name = node.input[1]
        w = numpy_helper.to_array(weights[name])
        scale = (np.abs(w).max((1, 2, 3)) / 127 + 1e-12).astype(np.float32)
        constant(name + ".q", np.clip(np.round(w / scale[:, None, None, None]), -127, 127).astype(np.int8))
        added.append(helper.make_node("DequantizeLinear", pair(name, scale, np.zeros(len(scale), np.int8)), [name + ".dq"], name=name + ".DQ", axis=0))
        node.input[1] = name + ".dq"
        low, high = found[node.input[0][:-3]]                                    # the bias in 32 bits, scaled as the products are
        bias, scale = node.input[2], (np.float32((high - low) / 255) * scale).astype(np.float32)
        constant(bias + ".q", np.round(numpy_helper.to_array(weights[bias]) / scale).astype(np.int32))
        added.append(helper.make_node("DequantizeLinear", pair(bias, scale, np.zeros(len(scale), np.int32)), [bias + ".dq"], name=bias + ".DQ", axis=0))
        node.input[2] = bias + ".dq"
    nodes = list(graph.node) + added
    known, order = {i.name for i in graph.input} | {w.name for w in graph.initializer}, []
    while nodes:
        ready = [n for n in nodes if all(i in known for i in reads(n))]
        assert ready, "the graph has a cycle"
        order += ready
        known |= {o for n in ready for o in n.output}
        taken = {id(n) for n in ready}
        nodes = [n for n in nodes if id(n) not in taken]
    del graph.node[:]
    graph.node.extend(order)
    still = {i for n in graph.node for i in reads(n)}
    for w in [w for w in graph.initializer if w.name not in still]:
        graph.initializer.remove(w)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--samples", type=int, default=96)
    p.add_argument("--percentile", type=float, default=99.99)
    p.add_argument("--least", type=int, default=24, help="fewest input channels of a convolution that is worth it")
    p.add_argument("--seed", type=int, default=17)
    p.add_argument("--metrics", help="JSON of what was measured of it, for the card")
    a = p.parse_args()
    base = os.path.splitext(a.model)[0]
    out = base + "-int8"
    model = onnx.load(a.model)
    convs = chosen(model.graph, {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}, a.least)
    names = list(dict.fromkeys(n for i, end in convs.items() for n in (model.graph.node[i].input[0], end)))
    quantise(model, convs, ranges(model, names, samples(a.data, a.samples, a.seed, model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8), a.percentile))
    onnx.checker.check_model(model)
    onnx.save(model, out + ".onnx")
    with open(base + ".json") as f:
        manifest = json.load(f)
    with open(out + ".onnx", "rb") as f:
        blob = f.read()
    manifest.update(name=manifest["name"] + "-int8", file=os.path.basename(out) + ".onnx", sha256=hashlib.sha256(blob).hexdigest())
    card = manifest["card"]
    card["summary"] = f"{os.path.basename(base)}.onnx with {len(convs)} of its convolutions in 8 bits: in about two thirds of the time on processors that multiply bytes (AVX-512 VNNI, AVX-VNNI, ARM dot product). " \
                      "Served when chosen (Inference__Choose__" + manifest["detector"] + "=" + manifest["name"] + "). " + card["summary"]
    card["recipe"] = f"training/quantize.py on {a.samples} training samples, of: {card['recipe']}"
    card["limitations"] = ["Not measured on processors without byte products: older instructions saturate, and masks may suffer."] + card["limitations"]
    card.pop("metrics", None)
    if a.metrics:
        with open(a.metrics) as f:
            card["metrics"] = json.load(f)
    with open(out + ".json", "w") as f:
        json.dump(manifest, f, indent=2, ensure_ascii=False)
        f.write("\n")
    print(f"{out}.onnx: {len(convs)} convolutions, {len(names)} tensors, {len(blob) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
