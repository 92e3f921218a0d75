// The picture with its mask: viewer, and the controls under it.
import { attempt, h, percent } from '../dom.js';
import { blob } from '../api.js';
import { Mask } from '../layers.js';
import { Pixels, Viewer } from '../viewer.js';
import { dropped } from './analyse.js';

export const MASK_SIDE = 2048;

export function picturePanel(doc, signal) {
  const viewer = new Viewer(doc.image.width, doc.image.height, `The picture ${doc.image.filename ?? ''}`);
  const note = h('p', { class: 'small soft note', hidden: true });
  viewer.setMarks([
    ...doc.regions.map((r) => ({ box: r.box, label: `${r.detector === 'deepfake' ? 'face' : 'edit'} ${percent(r.score)}`, kind: 'region' })),
    ...doc.faces.map((f, i) => ({ box: f.box, label: `face ${i + 1}${f.score === null ? '' : `: ${percent(f.score)} fake`}`, kind: 'face' })),
  ]);
  const pixels = load(doc, signal);
  pixels.then((loaded) => { viewer.setPixels(loaded); if (loaded.lossy) sharpen(doc, viewer, loaded.full.width, signal); }, (error) => { if (!signal.aborted) { note.textContent = error.message; note.hidden = false; } });
  const layer = (path) => attempt(async () => {
    const mask = await Mask.from(await blob(`${path}?max=${MASK_SIDE}`, signal));
    viewer.setLayer({ mask });
    note.hidden = !mask.empty;
    note.textContent = 'Nothing in this mask is above one half: no area is marked.';
  })();
  layer(doc.links.mask);
  return { element: h('div', { class: 'card picture' }, viewer.element, controls(doc, viewer, layer), legend(), note), viewer, pixels };
}

// What was dropped here is shown from memory; a format that the browser cannot read, and whatever came another way, is fetched.
async function load(doc, signal) {
  const file = dropped.get(doc.id);
  if (file) {
    try { return await Pixels.from(file, doc.image.width); } catch { /* e.g. TIFF */ }
  }
  const pixels = await Pixels.from(await blob(`/v1/analyses/${doc.id}/thumbnail?max=2048`, signal), doc.image.width);
  pixels.lossy = true;
  return pixels;
}

// Who looks closer than the copy allows, or down to single pixels, sees the file's own.
function sharpen(doc, viewer, side, signal) {
  const near = attempt(async ({ detail }) => {
    const scale = detail * devicePixelRatio;
    if (scale < 2 && scale * doc.image.width < side * 1.3) return;
    viewer.element.removeEventListener('view', near);
    viewer.setPixels(await Pixels.from(await blob(`/v1/analyses/${doc.id}/thumbnail?max=4096&format=png`, signal), doc.image.width));
  });
  viewer.element.addEventListener('view', near);
}

// One of several; pressed shows which.
export function segment(label, names, chosen, choose) {
  const buttons = names.map((name) => h('button', { type: 'button', 'aria-pressed': String(name === chosen), text: name, onclick: () => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.textContent === name));
    choose(name);
  } }));
  return h('span', { class: 'segment', role: 'group', 'aria-label': label }, buttons);
}

export function zoomControls(viewer) {
  const shown = h('output', { class: 'zoom', 'aria-label': 'Zoom' });
  viewer.element.addEventListener('view', (event) => { shown.textContent = `${event.detail < 0.1 ? (event.detail * 100).toFixed(1) : Math.round(event.detail * 100)} %`; });
  const button = (text, label, onclick) => h('button', { type: 'button', text, 'aria-label': label, title: label, onclick });
  return h('span', { class: 'row tight' }, h('span', { class: 'segment', role: 'group', 'aria-label': 'Zoom' },
    button('−', 'Zoom out', () => viewer.zoom(0.8)), button('Fit', 'Fit into view', () => viewer.fit()),
    button('1:1', '1:1, one to one', () => viewer.zoom(1 / viewer.scale)), button('Pixels', 'Single pixels', () => viewer.zoom(16 / viewer.scale)), button('+', 'Zoom in', () => viewer.zoom(1.25))), shown);
}

export function opacity(id, text, value, change) {
  const shown = h('output', { for: id, class: 'value', text: `${value} %` });
  return h('span', { class: 'row tight' }, h('label', { for: id, text }),
    h('input', { type: 'range', min: '0', max: '100', value: String(value), id, oninput: (event) => { change(event.target.value / 100); shown.textContent = `${event.target.value} %`; } }), shown);
}

function controls(doc, viewer, layer) {
  const own = doc.detectors.filter((d) => d.mask);
  const which = h('select', { id: 'layer', onchange: (event) => layer(event.target.value) },
    h('option', { value: doc.links.mask, text: 'All together' }), own.map((d) => h('option', { value: d.mask, text: `${d.name} alone` })));
  const marks = doc.regions.length + doc.faces.length > 0 && h('button', { type: 'button', 'aria-pressed': 'true', text: 'Boxes', onclick: (event) => {
    const shown = event.target.getAttribute('aria-pressed') !== 'true';
    event.target.setAttribute('aria-pressed', String(shown));
    viewer.showMarks(shown);
  } });
  return h('div', { class: 'controls' },
    opacity('opacity', 'Mask', 60, (value) => viewer.setOpacity(value)),
    segment('How the mask is drawn', ['heat', 'outline', 'blink'], 'heat', (mode) => viewer.setMode(mode)),
    marks, own.length > 1 && h('span', { class: 'row tight' }, h('label', { for: 'layer', text: 'By' }), which), zoomControls(viewer));
}

function legend() {
  return h('div', { class: 'legend' }, h('span', { class: 'small soft', text: 'Probability that a pixel was changed' }),
    h('span', { class: 'scale heat', 'aria-hidden': 'true' }), h('span', { class: 'ticks small soft' }, ['5 %', '50 %', '100 %'].map((text) => h('span', { text }))));
}
