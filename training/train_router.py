"""Trains the router: is this picture more likely a shallowfake or a deepfake? A random forest on features.py, exported to ONNX.

    python3 training/train_router.py --data DATA --blazeface FACE.onnx --models models

The traps are source, size and file: casia1 is 384 x 256 and the faces are 256 x 256 from one JPEG table. So samples come in pairs, one
of each class; both are cropped to the same shape, brought to the same size through the same resizes, and saved with the same JPEG
quality (or as PNG). Nor may "a portrait" mean "deepfake": some shallowfakes are splices, copy-moves and removals on portraits,
photographs of people are among the hosts, and some deepfakes are swaps in photographs of people. Judged on validation pairs with
the rule that serves: p >= 0.6 for one kind goes there, anything between goes to both, and both never counts as right.
"""
import argparse, json, os
import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
import faces as faces_
from forgeries import Forger
from export_onnx import write_manifest
from features import VERSION, features

SHALLOW = {"casia1": 0.35, "photo": 0.55, "portrait": 0.10}
DEEP = {"synthetic": 0.42, "self": 0.25, "cross": 0.25, "swap_in_photo": 0.08}


class Source:
    """Pictures of both classes from one split, before they are matched."""

    def __init__(self, data, split, blazeface):
        self.forger = Forger(data, split=split)
        self.faces = faces_.load(data, split, blazeface)
        self.real = [f for f in self.faces if not f["fake"] and f["dataset"] == "faces"]
        self.fake = [f for f in self.faces if f["fake"]]
        self.people = [f for f in self.faces if f["dataset"] in ("people", "coco", "imagenet")]
        self.data, self.find = data, faces_.BlazeFace(blazeface)

    def shallow(self, kind, r):
        f = self.forger
        if kind == "casia1":
            return f._image(f.forged[r.integers(len(f.forged))])
        if kind == "photo":
            f.size = (256, 384) if r.random() < 0.5 else (256, 256)
            return f.forge(r)[0]
        f.size, host = (256, 256), self.real[r.integers(len(self.real))]["image"]
        how = r.choice(4, p=(0.4, 0.3, 0.15, 0.15))
        if how == 0:
            return f.paste(r, host, *f.warp(r, *f.patch(r)[:2], 0.7))[0]
        if how == 1:
            patch, shape, origin = f.patch(r, host)
            return f.paste(r, host, *f.warp(r, patch, shape, 0.25), origin=origin)[0]
        return (f.remove(r, host) if how == 2 else f.local_edit(r, host))[0]

    def deep(self, kind, r):
        if kind == "synthetic":
            return self.fake[r.integers(len(self.fake))]["image"]
        if kind == "swap_in_photo":
            face = self.people[r.integers(len(self.people))]
            whole = faces_.read(os.path.join(self.data, face["path"]))
            found = [f for f in self.find(whole, 0.6) if f[3] > 40]
            if found:
                best = found[r.integers(len(found))]
                face = dict(face, image=whole, points=np.float32(best[5:]).reshape(6, 2), box=np.float32([best[1], best[2], best[3:5].max()]))
            return faces_.cross_swapped(face, self.real, r)[0] if r.random() < 0.5 else faces_.self_blended(face, r)[0]
        face = self.real[r.integers(len(self.real))]
        return (faces_.self_blended(face, r) if kind == "self" else faces_.cross_swapped(face, self.real, r))[0]


def matched(pair, r):
    """The two pictures cut to one shape, taken through the same sizes and saved with the same settings."""
    aspect = 1.0 if r.random() < 0.6 else r.choice([4 / 3, 3 / 2, 3 / 4, 2 / 3])
    cuts = []
    for x in pair:
        h, w = x.shape[:2]
        ch, cw = (h, int(h * aspect)) if h * aspect <= w else (int(w / aspect), w)
        y0, x0 = r.integers(0, h - ch + 1), r.integers(0, w - cw + 1)
        cuts.append(x[y0:y0 + ch, x0:x0 + cw])
    least = min(min(c.shape[:2]) for c in cuts)
    short = min(256, least) * (1.0 if r.random() < 0.5 else r.uniform(0.65, 1.0))
    w, h = (int(short * max(aspect, 1)), int(short * max(1 / aspect, 1)))
    k = 1.0 if r.random() < 0.5 else r.uniform(1.0, 2.2)
    up, quality = [cv2.INTER_LINEAR, cv2.INTER_CUBIC][r.integers(2)], None if r.random() < 0.15 else int(r.integers(60, 101))
    out = []
    for c in cuts:
        c = cv2.resize(c, (w, h), interpolation=cv2.INTER_AREA)
        c = c if k == 1 else cv2.resize(c, (int(w * k), int(h * k)), interpolation=up)
        out.append(c if quality is None else faces_.jpeg(c, quality))
    return out


def samples(source, n, seed):
    """Features of n matched pairs: (2n x 847, labels 1 = deepfake, kinds)."""
    x, y, kinds = [], [], []
    def boxes(rgb):
        """What serving's finder would report: whole boxes of at least 32 px inside the picture, of fair confidence."""
        found, (h, w) = [], rgb.shape[:2]
        for f in source.find(rgb, 0.65):
            left, top, right, bottom = (int(round(v)) for v in (f[1] - f[3] / 2, f[2] - f[4] / 2, f[1] + f[3] / 2, f[2] + f[4] / 2))
            left, top, right, bottom = max(0, left), max(0, top), min(w, right), min(h, bottom)
            if max(f[3], f[4]) >= 32 and right > left and bottom > top:
                found.append((left, top, right - left, bottom - top))
        return found

    for i in range(n):
        r = np.random.default_rng([seed, i])
        s, d = r.choice(list(SHALLOW), p=list(SHALLOW.values())), r.choice(list(DEEP), p=list(DEEP.values()))
        for rgb, label, kind in zip(matched((source.shallow(s, r), source.deep(d, r)), r), (0, 1), (s, d)):
            x.append(features(rgb, boxes(rgb))); y.append(label); kinds.append(kind)
        if i % 500 == 0:
            print(f"{i} of {n} pairs", flush=True)
    return np.stack(x), np.array(y), np.array(kinds)


def judge(p, y, kinds):
    """The rule that serves: p is P(deepfake)."""
    said = np.where(p >= 0.6, 1, np.where(1 - p >= 0.6, 0, 2))
    right = said == y
    out = dict(balanced_accuracy=np.mean([right[y == c].mean() for c in (0, 1)]), both=np.mean(said == 2),
               forced_balanced_accuracy=np.mean([((p >= 0.5) == y)[y == c].mean() for c in (0, 1)]),
               reached=np.mean(right | (said == 2)))
    r = np.random.default_rng(0)
    picks = [r.integers(0, len(y) // 2, len(y) // 2) for _ in range(1000)]
    s, d = right[y == 0], right[y == 1]
    boot = [(s[i].mean() + d[i].mean()) / 2 for i in picks]
    out = {k: round(float(v), 4) for k, v in out.items()} | {"interval_95": [round(float(v), 4) for v in np.quantile(boot, (0.025, 0.975))]}
    return out | {"by_kind": {k: dict(pairs=int((kinds == k).sum()), right=round(float(right[kinds == k].mean()), 3), both=round(float((said == 2)[kinds == k].mean()), 3))
                              for k in list(SHALLOW) + list(DEEP) if (kinds == k).any()}}


def calibrated(forest, x, steepness):
    """P(deepfake): a forest's mean vote is timid, so its margin goes through a sigmoid whose steepness out-of-bag votes fixed."""
    return 1 / (1 + np.exp(-steepness * (2 * forest.predict_proba(x)[:, 1] - 1)))


def to_onnx(forest, steepness, path):
    """TreeEnsembleClassifier: features N x F -> label N, probabilities N x 2 (shallowfake, deepfake). sklearn compares float32 features
    with float64 thresholds; the float32 threshold is rounded down so that every comparison comes out the same. The softmax of the two
    mean votes times `steepness` is the sigmoid of `calibrated`."""
    a = {k: [] for k in ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids", "nodes_falsenodeids",
                         "class_treeids", "class_nodeids", "class_ids", "class_weights")}
    for t, tree in enumerate(e.tree_ for e in forest.estimators_):
        low = tree.threshold.astype(np.float32)
        low = np.where(low.astype(np.float64) > tree.threshold, np.nextafter(low, np.float32(-np.inf)), low)
        for n in range(tree.node_count):
            leaf = tree.children_left[n] < 0
            for key, value in (("treeids", t), ("nodeids", n), ("featureids", 0 if leaf else int(tree.feature[n])), ("values", 0.0 if leaf else float(low[n])),
                               ("modes", "LEAF" if leaf else "BRANCH_LEQ"), ("truenodeids", 0 if leaf else int(tree.children_left[n])),
                               ("falsenodeids", 0 if leaf else int(tree.children_right[n]))):
                a["nodes_" + key].append(value)
            if leaf:
                v = steepness * tree.value[n, 0] / tree.value[n, 0].sum() / len(forest.estimators_)
                for c in (0, 1):
                    for key, value in (("treeids", t), ("nodeids", n), ("ids", c), ("weights", float(v[c]))):
                        a["class_" + key].append(value)
    node = helper.make_node("TreeEnsembleClassifier", ["features"], ["label", "probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1], post_transform="SOFTMAX", **a)
    graph = helper.make_graph([node], "router", [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", forest.n_features_in_])],
                              [helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]), helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16), helper.make_opsetid("ai.onnx.ml", 1)], ir_version=8), path)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True); p.add_argument("--blazeface", required=True); p.add_argument("--models", default="models")
    p.add_argument("--pairs", type=int, default=3000); p.add_argument("--val-pairs", type=int, default=600); p.add_argument("--depth", type=int, default=12); p.add_argument("--leaf", type=int, default=2)
    p.add_argument("--check", help="CSV of P(deepfake) and the features of 200 validation pictures, for another runtime to repeat")
    p.add_argument("--cache", help="keep the computed features in this .npz"); p.add_argument("--version", default="1.0.0")
    a = p.parse_args()
    cv2.setNumThreads(1)
    if a.cache and os.path.exists(a.cache):
        sets = [v for _, v in sorted(np.load(a.cache).items())]
    else:
        sets = [*samples(Source(a.data, "train", a.blazeface), a.pairs, 1), *samples(Source(a.data, "val", a.blazeface), a.val_pairs, 2)]
        if a.cache:
            np.savez(a.cache, **{f"a{i}": v for i, v in enumerate(sets)})
    x, y, kinds, vx, vy, vkinds = sets
    forest = RandomForestClassifier(100, max_depth=a.depth, min_samples_leaf=a.leaf, max_features=64, random_state=0, oob_score=True).fit(x, y)
    steepness = float(LogisticRegression(fit_intercept=False).fit(2 * forest.oob_decision_function_[:, 1:] - 1, y).coef_[0, 0])
    result = judge(calibrated(forest, vx, steepness), vy, vkinds)
    easy = ~np.isin(vkinds, ("portrait", "swap_in_photo"))
    easy &= np.repeat(easy[0::2] & easy[1::2], 2)
    result["core_pairs"] = {k: v for k, v in judge(calibrated(forest, vx[easy], steepness), vy[easy], vkinds[easy]).items() if k != "by_kind"}
    print(json.dumps(result, indent=1))
    os.makedirs(a.models, exist_ok=True)
    path = os.path.join(a.models, "router.onnx")
    to_onnx(forest, steepness, path)
    names = ["laplacian"] + ["dct"] * 64 + ["histograms"] * 768 + ["lbp"] * 10 + ["faces"] * 4
    use = {n: round(float(forest.feature_importances_[[m == n for m in names]].sum()), 3) for n in dict.fromkeys(names)}
    with open(os.path.join(a.models, "router.metrics.tmp"), "w") as f:
        json.dump({"matched_validation_pairs": result, "feature_importance": use}, f)
    if a.check:
        np.savetxt(a.check, np.c_[calibrated(forest, vx[:200], steepness), vx[:200]], fmt="%.8g", delimiter=",")
    manifest = os.path.join(a.models, "router.json")
    write_manifest(manifest, path, os.path.join(os.path.dirname(os.path.abspath(__file__)), "cards", "router.json"), f.name, a.version)
    os.remove(f.name)
    with open(manifest) as f:
        m = json.load(f)
    assert m["features"] == {**m["features"], "version": VERSION, "count": int(x.shape[1])}
    m["card"]["recipe"] = (f"python3 training/train_router.py --pairs {a.pairs} --val-pairs {a.val_pairs} --depth {a.depth} --leaf {a.leaf}: random forest, 100 trees, out-of-bag calibrated votes, "
                           f"{len(y) // 2} training pairs matched in shape, size and JPEG quality")
    with open(manifest, "w") as f:
        json.dump(m, f, indent=2, ensure_ascii=False); f.write("\n")
    print(os.path.getsize(path), "bytes", use)


if __name__ == "__main__":
    main()
