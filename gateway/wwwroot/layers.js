// What is drawn over the picture: probabilities as heat or outline, evidence maps as they come.
const LEVEL = 127.5;
const LARGEST_SIDE = 2048;

// Fixed scale, yellow to red: the same colour means the same probability in every picture. From one in twenty on, and the more opaque the more probable.
const HEAT = new Uint32Array(256).map((_, value) =>
  value <= 12 ? 0 : (Math.min(255, Math.round((value - 12) * 1.3)) << 24) | (20 << 16) | (Math.max(0, 215 - value) << 8) | 255);

export class Mask {
  #outline = null; #heat = null;

  constructor(width, height, values) {
    this.width = width;
    this.height = height;
    this.values = values;
  }

  // A grey PNG, value = 255 × probability.
  static async from(blob) {
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none' });
    const shrink = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * shrink)));
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    const { data } = context.getImageData(0, 0, width, height);
    const values = new Uint8Array(width * height);
    for (let i = 0; i < values.length; i++) values[i] = data[i * 4];
    return new Mask(width, height, values);
  }

  get empty() { return !this.values.some((value) => value > LEVEL); }

  // Probability at a place given as shares of width and height, 0..1.
  at(u, v) {
    const [x, y] = [Math.floor(u * this.width), Math.floor(v * this.height)];
    return x < 0 || y < 0 || x >= this.width || y >= this.height ? null : this.values[y * this.width + x] / 255;
  }

  heat() {
    if (this.#heat) return this.#heat;
    const pixels = new Uint32Array(this.values.length);
    for (let i = 0; i < pixels.length; i++) pixels[i] = HEAT[this.values[i]];
    const canvas = new OffscreenCanvas(this.width, this.height);
    canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), this.width, this.height), 0, 0);
    this.#heat = canvas;
    return canvas;
  }

  outline() {
    this.#outline ??= contour(this.values, this.width, this.height);
    return this.#outline;
  }
}

// Marching squares at probability one half, as a path in the mask's own pixels; what touches the border is closed there.
function contour(values, width, height) {
  const path = new Path2D();
  const at = (x, y) => x < 0 || y < 0 || x >= width || y >= height ? 0 : values[y * width + x];
  const cut = (a, b) => (LEVEL - a) / (b - a);
  for (let y = -1; y < height; y++) {
    for (let x = -1; x < width; x++) {
      const [a, b, c, d] = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      const kind = (a > LEVEL) | (b > LEVEL) << 1 | (c > LEVEL) << 2 | (d > LEVEL) << 3;
      if (kind === 0 || kind === 15) continue;
      const [left, top] = [x + 0.5, y + 0.5];
      const points = { t: [left + cut(a, b), top], r: [left + 1, top + cut(b, c)], b: [left + cut(d, c), top + 1], l: [left, top + cut(a, d)] };
      for (const [from, to] of SEGMENTS[kind]) { path.moveTo(...points[from]); path.lineTo(...points[to]); }
    }
  }
  return path;
}

// Which sides of a cell the contour joins, by the corners inside (bits: top left, top right, bottom right, bottom left).
const SEGMENTS = [
  [], ['lt'], ['tr'], ['lr'], ['rb'], ['lt', 'rb'], ['tb'], ['lb'],
  ['bl'], ['tb'], ['tr', 'bl'], ['rb'], ['lr'], ['tr'], ['lt'], [],
];
