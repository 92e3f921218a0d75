"""A Flask server in the seed's manner: one request, one picture, analysed while the client waits."""
import json
import math
import os
import uuid

import cv2
import numpy as np
from flask import Flask, jsonify, request, send_from_directory

from engine import Session

cv2.setNumThreads(1)
MODELS, DATA, SIDE = os.environ["MODELS"], os.environ["DATA"], 256
with open(os.path.join(MODELS, "shallowfake.json"), encoding="utf-8") as file:
    manifest = json.load(file)
localizer = Session(os.path.join(MODELS, manifest["file"]))
faces = Session(os.environ["FACES"])
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 20 << 20


def squares(width, height):
    """The square around the whole picture, or the tiles of large ones (and it, where they overlap too little): FaceSearchGrid of the platform."""
    longer = max(width, height)
    whole = int((width - longer) / 2), int((height - longer) / 2), longer
    if longer <= 1024:
        return [whole]

    def count(length, side):
        return 1 if length <= side else 1 + math.ceil((length - side) / (side * 0.75))

    def tiles(side):
        return count(width, side) * count(height, side)

    def common(length, side):
        return length if length <= side else side - (length - side) / (count(length, side) - 1)

    def start(i, n, length, tile):
        return int((length - tile) / 2) if n == 1 else int((length - tile) * i / (n - 1))

    smallest, largest = 1024 / 1.25, 1024 / 1.1
    while tiles(largest) > 12:
        largest *= 1.05
    sides = [s for s in [smallest + i for i in range(1 + int(largest - smallest))] + [largest] if tiles(s) <= tiles(largest)]
    apart = next((s for s in sides if min(common(width, s), common(height, s)) >= 0.65 * min(width, height)), None)
    tile = math.ceil(apart or sides[0])
    columns, rows = count(width, tile), count(height, tile)
    return ([] if apart else [whole]) + [(start(x, columns, width, tile), start(y, rows, height, tile), tile) for y in range(rows) for x in range(columns)]


def has_face(rgb):
    height, width, _ = rgb.shape
    best = -100.0
    for left, top, side in squares(width, height):
        x0, y0 = max(0, left), max(0, top)
        part = rgb[y0:min(height, top + side), x0:min(width, left + side)]
        scale = SIDE / side
        w, h = min(SIDE, max(1, round(part.shape[1] * scale))), min(SIDE, max(1, round(part.shape[0] * scale)))
        view = np.zeros((SIDE, SIDE, 3), np.uint8)
        oy, ox = (SIDE - h) // 2, (SIDE - w) // 2
        view[oy:oy + h, ox:ox + w] = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
        scores = faces.run(["Identity:0", "Identity_1:0"], {"input:0": (view[None].astype(np.float32) / 127.5 - 1)})
        best = max(best, *(float(s.max()) for s in scores))
    return best > 0


def analyse(upload):
    bgr = cv2.imdecode(np.frombuffer(upload, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    height, width, _ = rgb.shape
    multiple = manifest.get("size", {}).get("multiple_of", 8)
    h, w = -(-height // multiple) * multiple, -(-width // multiple) * multiple
    padded = cv2.copyMakeBorder(rgb, 0, h - height, 0, w - width, cv2.BORDER_REPLICATE)
    inputs = manifest["inputs"]
    whole = inputs["pixels"].get("type") == "uint8"
    feeds = {inputs["pixels"]["name"]: padded[None] if whole else np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32) / np.float32(255)}
    if "dct" in inputs:
        feeds[inputs["dct"]["name"]] = np.zeros((1, inputs["dct"]["coefficients"], h // 8, w // 8), np.float32)
    if "qtable" in inputs:
        feeds[inputs["qtable"]["name"]] = np.zeros((1, 64), np.float32)
    face = has_face(rgb)
    mask, score = localizer.run([manifest["outputs"]["mask"]["name"], manifest["outputs"]["score"]["name"]], feeds)
    grey = (mask[0, 0].clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return float(score.ravel()[0]), face, cv2.resize(grey, (w, h), interpolation=cv2.INTER_LINEAR)[:height, :width]


@app.post("/analyses")
def submit():
    score, face, mask = analyse(request.get_data())
    name = uuid.uuid4().hex
    cv2.imwrite(os.path.join(DATA, name + ".png"), mask)
    return jsonify(id=name, score=score, faces=int(face))


@app.get("/masks/<name>")
def mask(name):
    return send_from_directory(DATA, name)


if __name__ == "__main__":
    # Without gunicorn: Flask's own server, one process with a thread for each request.
    app.run("127.0.0.1", int(os.environ["PORT"]))
