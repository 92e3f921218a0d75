// The picture with its mask over it. Layers are elements, so opacity and zoom are the compositor's work, also on twelve megapixels.
import { h } from './dom.js';

const OVERLAY_SIDE = 2048;

export class Viewer {
  #scale = 1; #x = 0; #y = 0; #pointers = new Map(); #mask = null;

  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.image = h('img', { alt: 'The submitted picture', draggable: 'false' });
    this.overlay = h('canvas', { 'aria-hidden': 'true' });
    this.boxes = h('div', { 'aria-hidden': 'true' });
    this.stage = h('div', { class: 'stage' }, this.image, this.overlay, this.boxes);
    this.element = h('div', { class: 'viewer', tabindex: '0', role: 'application', 'aria-label': 'Picture. Plus and minus zoom, arrow keys move, zero fits.' }, this.stage);
    this.stage.style.width = `${width}px`;
    this.stage.style.height = `${height}px`;
    this.setOpacity(0.6);
    this.#listen();
    new ResizeObserver(() => { if (!this.moved) this.fit(); }).observe(this.element);
  }

  setPicture(url) { this.image.src = url; }

  setOpacity(value) { this.overlay.style.opacity = value; }

  setMode(mode) {
    this.mode = mode;
    this.overlay.classList.toggle('blink', mode === 'blink');
    this.#paint();
  }

  async setMask(url) {
    const blob = await (await fetch(url)).blob();
    const bitmap = await createImageBitmap(blob);
    const shrink = Math.min(1, OVERLAY_SIDE / Math.max(bitmap.width, bitmap.height));
    const [w, hgt] = [Math.max(1, Math.round(bitmap.width * shrink)), Math.max(1, Math.round(bitmap.height * shrink))];
    const canvas = new OffscreenCanvas(w, hgt);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, w, hgt);
    this.#mask = context.getImageData(0, 0, w, hgt);
    this.#paint();
  }

  clearMask() { this.#mask = null; this.overlay.width = this.overlay.width; }

  setBoxes(list) {
    this.boxes.replaceChildren(...list.map(({ box, label, face }) => {
      const node = h('div', { class: face ? 'box face' : 'box' }, h('span', { text: label }));
      node.style.left = `${box.x}px`; node.style.top = `${box.y}px`;
      node.style.width = `${box.width}px`; node.style.height = `${box.height}px`;
      return node;
    }));
  }

  fit() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth) return;
    this.#scale = Math.min(clientWidth / this.width, clientHeight / this.height);
    this.#x = (clientWidth - this.width * this.#scale) / 2;
    this.#y = (clientHeight - this.height * this.#scale) / 2;
    this.moved = false;
    this.#apply();
  }

  zoom(factor, cx = this.element.clientWidth / 2, cy = this.element.clientHeight / 2) {
    const scale = Math.min(40, Math.max(0.02, this.#scale * factor));
    this.#x = cx - (cx - this.#x) * (scale / this.#scale);
    this.#y = cy - (cy - this.#y) * (scale / this.#scale);
    this.#scale = scale;
    this.moved = true;
    this.#apply();
  }

  get scale() { return this.#scale; }

  #apply() {
    this.stage.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    this.stage.style.setProperty('--zoom', this.#scale);
    this.stage.classList.toggle('pixels', this.#scale >= 3);
  }

  #paint() {
    const mask = this.#mask;
    if (!mask) return;
    const { width, height, data } = mask;
    this.overlay.width = width;
    this.overlay.height = height;
    const context = this.overlay.getContext('2d');
    const out = context.createImageData(width, height);
    const outline = this.mode === 'outline';
    const thick = Math.max(1, Math.round(Math.max(width, height) / 500));
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i += 4) {
        const value = data[i];
        if (outline) {
          const inside = value > 127;
          const edge = inside && [[thick, 0], [-thick, 0], [0, thick], [0, -thick]].some(([dx, dy]) => {
            const [nx, ny] = [x + dx, y + dy];
            return nx < 0 || ny < 0 || nx >= width || ny >= height || data[(ny * width + nx) * 4] <= 127;
          });
          if (edge) { out.data[i] = 255; out.data[i + 1] = 214; out.data[i + 2] = 10; out.data[i + 3] = 255; }
        } else if (value > 12) {
          // Fixed scale, yellow to red: the same colour means the same probability in every picture.
          out.data[i] = 255; out.data[i + 1] = Math.max(0, 220 - value); out.data[i + 2] = 20; out.data[i + 3] = Math.min(255, value * 1.1);
        }
      }
    }
    context.putImageData(out, 0, 0);
  }

  #listen() {
    const el = this.element;
    el.addEventListener('wheel', (event) => {
      event.preventDefault();
      const rect = el.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - rect.left, event.clientY - rect.top);
    }, { passive: false });
    el.addEventListener('pointerdown', (event) => { el.setPointerCapture(event.pointerId); this.#pointers.set(event.pointerId, event); el.classList.add('dragging'); });
    el.addEventListener('pointermove', (event) => {
      const before = this.#pointers.get(event.pointerId);
      if (!before) return;
      if (this.#pointers.size === 1) {
        this.#x += event.clientX - before.clientX;
        this.#y += event.clientY - before.clientY;
        this.moved = true;
        this.#apply();
      } else if (this.#pointers.size === 2) {
        const other = [...this.#pointers.values()].find((p) => p.pointerId !== event.pointerId);
        const distance = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY);
        const rect = el.getBoundingClientRect();
        this.zoom(distance(event) / Math.max(1, distance(before)), (event.clientX + other.clientX) / 2 - rect.left, (event.clientY + other.clientY) / 2 - rect.top);
      }
      this.#pointers.set(event.pointerId, event);
    });
    for (const end of ['pointerup', 'pointercancel']) {
      el.addEventListener(end, (event) => { this.#pointers.delete(event.pointerId); el.classList.toggle('dragging', this.#pointers.size > 0); });
    }
    el.addEventListener('dblclick', () => this.fit());
    el.addEventListener('keydown', (event) => {
      const step = 60;
      const actions = {
        '+': () => this.zoom(1.25), '=': () => this.zoom(1.25), '-': () => this.zoom(0.8), '0': () => this.fit(),
        ArrowLeft: () => { this.#x += step; }, ArrowRight: () => { this.#x -= step; }, ArrowUp: () => { this.#y += step; }, ArrowDown: () => { this.#y -= step; },
      };
      if (!actions[event.key]) return;
      event.preventDefault();
      actions[event.key]();
      if (event.key !== '0') this.moved = true;
      this.#apply();
    });
  }
}
