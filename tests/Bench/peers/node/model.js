// The networks, one thread each: every worker is a process of its own, because a run holds its process' only thread.
import fs from 'node:fs';
import path from 'node:path';
import ort from 'onnxruntime-node';
import sharp from 'sharp';

sharp.concurrency(1);
sharp.cache(false);
const options = { intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'all' };
const manifest = JSON.parse(fs.readFileSync(path.join(process.env.MODELS, 'shallowfake.json')));
const localizer = await ort.InferenceSession.create(path.join(process.env.MODELS, manifest.file), options);
const faces = await ort.InferenceSession.create(process.env.FACES, options);
const SIDE = 256;

/** The square around the whole picture, or the tiles of large ones (and it, where they overlap too little): FaceSearchGrid of the platform. */
function squares(width, height) {
  const longer = Math.max(width, height), shorter = Math.min(width, height);
  const whole = [Math.trunc((width - longer) / 2), Math.trunc((height - longer) / 2), longer];
  if (longer <= 1024) return [whole];
  const count = (length, side) => (length <= side ? 1 : 1 + Math.ceil((length - side) / (side * 0.75)));
  const tiles = (side) => count(width, side) * count(height, side);
  const common = (length, side) => (length <= side ? length : side - (length - side) / (count(length, side) - 1));
  const start = (i, n, length, tile) => (n === 1 ? Math.trunc((length - tile) / 2) : Math.trunc(((length - tile) * i) / (n - 1)));
  const smallest = 1024 / 1.25;
  let largest = 1024 / 1.1;
  while (tiles(largest) > 12) largest *= 1.05;
  const sides = [...Array.from({ length: 1 + Math.trunc(largest - smallest) }, (_, i) => smallest + i), largest].filter((side) => tiles(side) <= tiles(largest));
  const apart = sides.find((side) => Math.min(common(width, side), common(height, side)) >= 0.65 * shorter);
  const tile = Math.ceil(apart ?? sides[0]), columns = count(width, tile), rows = count(height, tile);
  const found = apart ? [] : [whole];
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) found.push([start(x, columns, width, tile), start(y, rows, height, tile), tile]);
  return found;
}

async function countFaces(rgb, width, height) {
  let most = 0;
  for (const [left, top, side] of squares(width, height)) {
    const x0 = Math.max(0, left), y0 = Math.max(0, top), w = Math.min(width, left + side) - x0, h = Math.min(height, top + side) - y0;
    const view = await sharp(rgb, { raw: { width, height, channels: 3 } })
      .extract({ left: x0, top: y0, width: w, height: h })
      .resize(SIDE, SIDE, { fit: 'contain', background: '#000', kernel: 'linear' }).raw().toBuffer();
    const input = new Float32Array(view.length);
    for (let i = 0; i < view.length; i++) input[i] = view[i] / 127.5 - 1;
    const out = await faces.run({ 'input:0': new ort.Tensor('float32', input, [1, SIDE, SIDE, 3]) });
    for (const name of ['Identity:0', 'Identity_1:0']) for (const logit of out[name].data) most = Math.max(most, 1 / (1 + Math.exp(-logit)));
  }
  return most > 0.5 ? 1 : 0;
}

/** Upload → score and full-size mask. */
export async function analyse(upload) {
  const { data: rgb, info: { width, height } } = await sharp(upload).removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const multiple = manifest.size?.multiple_of ?? 8;
  const w = Math.ceil(width / multiple) * multiple, h = Math.ceil(height / multiple) * multiple, plane = w * h;
  const whole = manifest.inputs.pixels.type === 'uint8';
  const pixels = whole && w === width && h === height ? rgb : new (whole ? Uint8Array : Float32Array)(3 * plane);
  for (let y = 0; whole && pixels !== rgb && y < h; y++) {
    const from = Math.min(y, height - 1) * width * 3;
    pixels.set(rgb.subarray(from, from + width * 3), y * w * 3);
    for (let x = width; x < w; x++) pixels.set(rgb.subarray(from + (width - 1) * 3, from + width * 3), (y * w + x) * 3);
  }
  for (let y = 0; !whole && y < h; y++) {
    let from = Math.min(y, height - 1) * width * 3, to = y * w;
    for (let x = 0; x < width; x++, from += 3, to++) {
      pixels[to] = rgb[from] / 255;
      pixels[to + plane] = rgb[from + 1] / 255;
      pixels[to + 2 * plane] = rgb[from + 2] / 255;
    }
    for (let x = width; x < w; x++, to++) for (let c = 0; c < 3; c++) pixels[to + c * plane] = rgb[from - 3 + c] / 255;
  }
  const feeds = { [manifest.inputs.pixels.name]: whole ? new ort.Tensor('uint8', pixels, [1, h, w, 3]) : new ort.Tensor('float32', pixels, [1, 3, h, w]) };
  if (manifest.inputs.dct) {
    const k = manifest.inputs.dct.coefficients;
    feeds[manifest.inputs.dct.name] = new ort.Tensor('float32', new Float32Array((k * plane) / 64), [1, k, h / 8, w / 8]);
  }
  if (manifest.inputs.qtable) feeds[manifest.inputs.qtable.name] = new ort.Tensor('float32', new Float32Array(64), [1, 64]);
  const found = await countFaces(rgb, width, height);
  const out = await localizer.run(feeds, [manifest.outputs.mask.name, manifest.outputs.score.name]);
  const mask = out[manifest.outputs.mask.name], [, , mh, mw] = mask.dims;
  const grey = Buffer.from(Uint8Array.from(mask.data, (v) => Math.round(255 * Math.min(1, Math.max(0, v)))));
  const png = await sharp(grey, { raw: { width: mw, height: mh, channels: 1 } }).resize(w, h, { fit: 'fill', kernel: 'linear' }).extract({ left: 0, top: 0, width, height })
    .toColourspace('b-w').png({ compressionLevel: 1 }).toBuffer();
  return { score: out[manifest.outputs.score.name].data[0], faces: found, png };
}
