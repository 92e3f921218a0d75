// The picture and what lies over it. Both are canvases of the viewport's size, so a twelve-megapixel picture costs no more than a small one while the mask's
// opacity changes: that is the compositor's work alone.
import { h, svg } from './dom.js';
import { gestures } from './gestures.js';

const SCREEN_SIDE = 2048;
const LARGEST = 40;

// Decoded pixels, shared by all viewers that show them; reduced ones beside them for when the whole is in view.
export class Pixels {
  static async from(blob, width) {
    const pixels = new Pixels();
    pixels.full = await createImageBitmap(blob);
    pixels.width = width;
    const side = Math.max(pixels.full.width, pixels.full.height);
    const shrink = SCREEN_SIDE / side;
    if (shrink < 1) {
      pixels.small = await createImageBitmap(pixels.full, {
        resizeWidth: Math.max(1, Math.round(pixels.full.width * shrink)), resizeHeight: Math.max(1, Math.round(pixels.full.height * shrink)), resizeQuality: 'medium',
      });
    }
    return pixels;
  }

  // scale: device pixels for a pixel of the picture.
  pick(scale) { return this.small && this.width * scale <= this.small.width ? this.small : this.full; }
}

export class Viewer {
  #view = { scale: 1, x: 0, y: 0 }; #frame = 0; #fitted = true; #partners = []; #labels = [];

  constructor(width, height, label) {
    this.width = width;
    this.height = height;
    this.mode = 'heat';
    this.canvas = h('canvas', { role: 'img', 'aria-label': label });
    this.over = h('canvas', { class: 'over', 'aria-hidden': 'true' });
    this.group = svg('g');
    this.marks = svg('svg', { class: 'marks', 'aria-hidden': 'true' }, this.group);
    this.labels = h('div', { class: 'labels', 'aria-hidden': 'true' });
    this.readout = h('div', { class: 'readout', 'aria-hidden': 'true' });
    this.element = h('div', {
      class: 'viewer', tabindex: '0', role: 'application', 'aria-label': `${label}. Plus and minus zoom, arrow keys move, 0 fits, 1 shows single pixels.`,
    }, this.canvas, this.over, this.marks, this.labels, this.readout);
    this.element.style.aspectRatio = `${width} / ${height}`;
    this.setOpacity(0.6);
    gestures(this);
    new ResizeObserver(() => { if (this.#fitted) this.fit(); else this.draw(); }).observe(this.element);
  }

  get scale() { return this.#view.scale; }

  get fitted() { return this.#fitted; }

  // Two viewers of the same picture that move together.
  link(other) {
    this.#partners.push(other);
    other.#partners.push(this);
    other.#follow(this);
  }

  setPixels(pixels) { this.pixels = pixels; this.draw(); }

  // { image } as it is, or { mask } drawn by the mode.
  setLayer(layer) { this.layer = layer; this.draw(); }

  setOpacity(value) { this.over.style.opacity = value; }

  setMode(mode) {
    this.mode = mode;
    this.over.classList.toggle('blink', mode === 'blink');
    this.draw();
  }

  // boxes: { box, label, kind }; lines: [x, y, x', y'] in the picture's pixels.
  setMarks(boxes, lines = []) {
    this.group.replaceChildren(
      ...boxes.flatMap(({ box, kind }) => ['halo', kind].map((name) => svg('rect', { x: box.x, y: box.y, width: box.width, height: box.height, class: name }))),
      ...lines.flatMap(([x1, y1, x2, y2]) => ['halo', 'pair'].map((name) => svg('line', { x1, y1, x2, y2, class: name }))));
    this.#labels = boxes.filter((b) => b.label).map(({ box, label, kind }) => ({ box, node: h('span', { class: kind, text: label }) }));
    this.labels.replaceChildren(...this.#labels.map((l) => l.node));
    this.draw();
  }

  showMarks(shown) { this.marks.toggleAttribute('hidden', !shown); this.labels.hidden = !shown; }

  fit() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth) return;
    this.#fitted = true;
    this.#move(Math.min(clientWidth / this.width, clientHeight / this.height, LARGEST), this.width / 2, this.height / 2);
  }

  // About a point of the viewport, pixels from its top left; the middle when none is given.
  zoom(factor, px = this.element.clientWidth / 2, py = this.element.clientHeight / 2) {
    const { scale, x, y } = this.#view;
    const next = Math.min(LARGEST, Math.max(0.02, scale * factor));
    const [dx, dy] = [px - this.element.clientWidth / 2, py - this.element.clientHeight / 2];
    this.#fitted = false;
    this.#move(next, x + dx / scale - dx / next, y + dy / scale - dy / next);
  }

  pan(dx, dy) {
    this.#fitted = false;
    this.#move(this.scale, this.#view.x - dx / this.scale, this.#view.y - dy / this.scale);
  }

  // A box into view, with some air around it.
  show({ x, y, width, height }) {
    const { clientWidth, clientHeight } = this.element;
    this.#fitted = false;
    this.#move(Math.min(LARGEST / 2, clientWidth / (width * 1.6), clientHeight / (height * 1.6)), x + width / 2, y + height / 2);
  }

  // The picture's pixel under a point of the viewport.
  pixelAt(px, py) {
    const { scale, x, y } = this.#view;
    return [Math.floor(x + (px - this.element.clientWidth / 2) / scale), Math.floor(y + (py - this.element.clientHeight / 2) / scale)];
  }

  #move(scale, x, y) {
    this.#view = { scale, x: Math.min(this.width, Math.max(0, x)), y: Math.min(this.height, Math.max(0, y)) };
    this.draw();
    for (const partner of this.#partners) partner.#follow(this);
  }

  #follow(other) {
    if (other.#fitted) { if (!this.#fitted || this.scale !== other.scale) { this.#fitted = true; this.#view = { ...other.#view }; } } else { this.#fitted = false; this.#view = { ...other.#view }; }
    this.draw();
  }

  draw() {
    this.#frame ||= requestAnimationFrame(() => { this.#frame = 0; this.#draw(); });
  }

  #draw() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth) return;
    const ratio = devicePixelRatio;
    const scale = this.scale * ratio;
    const [left, top] = [(clientWidth * ratio) / 2 - this.#view.x * scale, (clientHeight * ratio) / 2 - this.#view.y * scale];
    if (this.pixels) this.#image(this.#clear(this.canvas, ratio), this.pixels.pick(scale), scale, left, top, scale >= 2);
    const context = this.#clear(this.over, ratio);
    if (this.layer?.image) this.#image(context, this.layer.image, scale, left, top, false);
    else if (this.layer?.mask && this.mode !== 'outline') this.#image(context, this.layer.mask.heat(), scale, left, top, false);
    else if (this.layer?.mask) this.#outline(context, this.layer.mask, scale, left, top, ratio);
    this.group.setAttribute('transform', `translate(${left / ratio} ${top / ratio}) scale(${this.scale})`);
    for (const { box, node } of this.#labels) node.style.transform = `translate(${left / ratio + box.x * this.scale}px, ${Math.max(20, top / ratio + box.y * this.scale)}px) translateY(-100%)`;
    this.element.style.touchAction = this.#fitted ? 'pan-y' : 'none';
    this.element.dispatchEvent(new CustomEvent('view', { detail: this.scale }));
  }

  #clear(canvas, ratio) {
    const [width, height] = [Math.round(this.element.clientWidth * ratio), Math.round(this.element.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext('2d');
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  // Only what is in view, on whole pixels of the source.
  #image(context, image, scale, left, top, pixelated) {
    const { width, height } = context.canvas;
    const [fx, fy] = [image.width / this.width, image.height / this.height];
    const clamp = (value, most) => Math.min(most, Math.max(0, value));
    const [x0, y0] = [Math.floor(clamp(-left / scale * fx, image.width)), Math.floor(clamp(-top / scale * fy, image.height))];
    const [x1, y1] = [Math.ceil(clamp((width - left) / scale * fx, image.width)), Math.ceil(clamp((height - top) / scale * fy, image.height))];
    if (x1 <= x0 || y1 <= y0) return;
    context.imageSmoothingEnabled = !pixelated;
    context.imageSmoothingQuality = 'medium';
    context.drawImage(image, x0, y0, x1 - x0, y1 - y0, left + (x0 / fx) * scale, top + (y0 / fy) * scale, ((x1 - x0) / fx) * scale, ((y1 - y0) / fy) * scale);
  }

  #outline(context, mask, scale, left, top, ratio) {
    const s = scale * this.width / mask.width;
    context.setTransform(s, 0, 0, scale * this.height / mask.height, left, top);
    for (const [colour, width] of [['#000b', 4], ['#ffd60a', 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = (width * ratio) / s;
      context.stroke(mask.outline());
    }
  }
}
