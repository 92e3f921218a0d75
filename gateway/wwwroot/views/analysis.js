import { h, bytes, notify, percent, when, words } from '../dom.js';
import { call, follow, json, picture } from '../api.js';
import { Viewer } from '../viewer.js';
import { dropped } from './analyse.js';
import { evidencePanel } from './evidence.js';

const STAGES = ['preprocessing', 'routing', 'localizing', 'reporting'];
const KINDS = { shallowfake: 'an edit of the photograph', deepfake: 'a swapped or generated face', both: 'an edit and a swapped or generated face', none: 'no manipulation' };
const STATES = { completed: 'completed', not_applicable: 'not applicable', error: 'error', timeout: 'timed out', pending: 'waiting' };

export async function analysis(id, signal) {
  let current = await json(`/v1/analyses/${id}`, { signal });
  const page = h('div', {});
  const render = () => page.replaceChildren(...(finished(current) ? result(current, signal) : waiting(current)));
  render();
  if (!finished(current)) {
    follow(id, async (document_) => {
      if (signal.aborted) return;
      current = document_.id ? document_ : await json(`/v1/analyses/${id}`, { signal });
      render();
    }, signal).then(async () => { current = await json(`/v1/analyses/${id}`, { signal }); render(); })
      .catch((error) => { if (!signal.aborted) notify(error.message); });
  }
  return page;
}

const finished = (doc) => ['succeeded', 'failed', 'canceled'].includes(doc.status);

function waiting(doc) {
  const at = STAGES.indexOf(doc.progress.stage);
  return [h('div', { class: 'card', 'aria-busy': 'true' },
    h('h1', { text: doc.status === 'queued' ? 'Waiting for its turn' : 'Looking closely' }),
    h('p', { class: 'soft', text: doc.image.filename ?? doc.id }),
    h('ol', { class: 'stages' }, STAGES.map((stage, i) => h('li', { class: i < at ? 'done' : i === at ? 'now' : '', 'aria-current': i === at ? 'step' : null, text: stage })))),
  preview(doc)];
}

function preview(doc) {
  const file = dropped.get(doc.id);
  if (!file) return h('span');
  const image = h('img', { alt: 'The picture you sent', src: URL.createObjectURL(file) });
  image.style.maxWidth = '100%';
  image.style.maxHeight = '60vh';
  return h('div', { class: 'card' }, image);
}

function explain(doc) {
  const score = percent(doc.score);
  if (doc.verdict === 'likely_fake') return `The estimated probability of manipulation is ${score}. What was found looks like ${KINDS[doc.kind] ?? 'a manipulation'}${doc.regions.length ? `, in ${doc.regions.length === 1 ? 'one region' : `${doc.regions.length} regions`} covering ${percent(doc.manipulated_area, 1)} of the picture` : ''}.`;
  if (doc.verdict === 'likely_real') return `The estimated probability of manipulation is ${score}. No localizer that applies to this picture saw a manipulation. That is not a proof that there is none.`;
  return `The estimated probability of manipulation is ${score}. That is too little to call it manipulated and too much, or too incomplete, to call it real.`;
}

function result(doc, signal) {
  if (doc.status !== 'succeeded') {
    return [h('div', { class: 'card verdict', role: 'alert' }, h('h1', { text: doc.status === 'canceled' ? 'Canceled' : 'This picture could not be analysed' }),
      h('p', { text: doc.error?.detail ?? 'It was deleted before it finished.' }), doc.error && h('p', { class: 'soft small', text: `${doc.error.code} · trace ${doc.trace_id ?? '–'}` }),
      h('a', { class: 'button', href: '#/', text: 'Analyse another picture' }))];
  }
  const erased = doc.erased_at !== null && doc.erased_at !== undefined;
  const viewer = new Viewer(doc.image.width, doc.image.height);
  if (!erased) load(doc, viewer, signal);
  return [h('div', { class: 'split' },
    h('section', { 'aria-label': 'Picture' },
      erased ? h('div', { class: 'card', text: `Picture and masks were erased ${when(doc.erased_at)}; the numbers stay.` }) : viewer.element,
      erased ? null : controls(doc, viewer, signal),
      evidencePanel(doc, viewer, signal)),
    h('section', { 'aria-label': 'Result' }, verdict(doc), faces(doc), detectors(doc), facts(doc), feedback(doc), actions(doc, erased), raw(doc)))];
}

async function load(doc, viewer, signal) {
  try {
    const file = dropped.get(doc.id);
    viewer.setPicture(file ? URL.createObjectURL(file) : await picture(`/v1/analyses/${doc.id}/thumbnail?max=4096`, signal));
    viewer.setMask(await picture(doc.links.mask, signal));
    viewer.setBoxes([
      ...doc.regions.map((r) => ({ box: r.box, label: `${r.detector === 'deepfake' ? 'face' : 'edit'} ${percent(r.score)}` })),
      ...doc.faces.map((f) => ({ box: f.box, label: f.score === null ? 'face' : `face: ${percent(f.score)} fake`, face: true })),
    ]);
  } catch (error) {
    if (!signal.aborted) notify(error.message);
  }
}

function controls(doc, viewer, signal) {
  const slider = h('input', { type: 'range', min: '0', max: '100', value: '60', id: 'opacity', oninput: (event) => viewer.setOpacity(event.target.value / 100) });
  const modes = ['heat', 'outline', 'blink'].map((mode) => h('button', { type: 'button', 'aria-pressed': String(mode === 'heat'), text: mode, onclick: (event) => {
    viewer.setMode(mode);
    for (const button of modes) button.setAttribute('aria-pressed', String(button === event.target));
  } }));
  const which = h('select', { id: 'layer', onchange: async (event) => {
    try { viewer.setMask(await picture(event.target.value, signal)); } catch (error) { notify(error.message); }
  } }, h('option', { value: doc.links.mask, text: 'combined mask' }), doc.detectors.filter((d) => d.mask).map((d) => h('option', { value: d.mask, text: `${d.name} only` })));
  const boxes = h('button', { type: 'button', 'aria-pressed': 'true', text: 'boxes', onclick: (event) => {
    const shown = event.target.getAttribute('aria-pressed') !== 'true';
    event.target.setAttribute('aria-pressed', String(shown));
    viewer.boxes.hidden = !shown;
  } });
  return h('div', { class: 'controls' },
    h('label', { for: 'opacity', text: 'Mask' }), slider, h('span', { class: 'segment', role: 'group', 'aria-label': 'How the mask is drawn' }, modes),
    h('label', { for: 'layer', text: 'Layer' }), which, boxes,
    h('span', { class: 'segment', role: 'group', 'aria-label': 'Zoom' },
      h('button', { type: 'button', text: '−', 'aria-label': 'Zoom out', onclick: () => viewer.zoom(0.8) }),
      h('button', { type: 'button', text: 'fit', onclick: () => viewer.fit() }),
      h('button', { type: 'button', text: '1:1', 'aria-label': 'One to one', onclick: () => viewer.zoom(1 / viewer.scale) }),
      h('button', { type: 'button', text: '+', 'aria-label': 'Zoom in', onclick: () => viewer.zoom(1.25) })));
}

function verdict(doc) {
  const bar = h('div');
  bar.style.width = `${doc.score * 100}%`;
  return h('div', { class: `card verdict ${doc.verdict}` },
    h('h1', { text: words[doc.verdict] }),
    h('div', { class: 'meter', role: 'img', 'aria-label': `Probability of manipulation ${percent(doc.score)}` }, bar),
    h('p', { class: 'small soft', text: `manipulated: ${percent(doc.score, 1)} · confidence in this verdict: ${percent(doc.confidence, 1)}` }),
    h('p', { text: explain(doc) }),
    doc.warnings.length > 0 && h('ul', { class: 'warnings small' }, doc.warnings.map((text) => h('li', { text }))));
}

function faces(doc) {
  if (doc.faces.length === 0) return null;
  return h('details', { class: 'card', open: doc.faces.length <= 3 }, h('summary', { text: `${doc.faces.length} face${doc.faces.length > 1 ? 's' : ''}` }),
    h('table', {}, h('thead', {}, h('tr', {}, h('th', { text: 'Position' }), h('th', { text: 'Found with' }), h('th', { text: 'Fake' }))),
      h('tbody', {}, doc.faces.map((f) => h('tr', {}, h('td', { text: `${f.box.x}, ${f.box.y}` }), h('td', { text: percent(f.confidence) }), h('td', { text: percent(f.score) }))))));
}

function detectors(doc) {
  return h('div', { class: 'card scroll' }, h('h2', { text: 'Who looked' }),
    h('table', {}, h('thead', {}, h('tr', {}, ['Localizer', 'State', 'Score', 'Model'].map((text) => h('th', { text })))),
      h('tbody', {}, doc.detectors.map((d) => h('tr', {},
        h('td', { text: d.name }), h('td', {}, h('span', { class: `pill ${d.state}`, text: STATES[d.state] ?? d.state }), d.reason && h('div', { class: 'small soft', text: d.reason })),
        h('td', { text: d.score === null ? '–' : `${percent(d.score)} (≥ ${percent(d.threshold)})` }),
        h('td', { class: 'small', text: d.model ? `${d.model.name} ${d.model.version}, ${Math.round(d.duration_ms)} ms` : '–' }))))),
    doc.routing && h('p', { class: 'small soft', text: doc.routing.reasons.join(' ') }));
}

function facts(doc) {
  const rows = [['File', doc.image.filename ?? '–'], ['Size', `${doc.image.width} × ${doc.image.height}, ${doc.image.format}, ${bytes(doc.image.bytes)}`], ['Received', when(doc.created_at)],
    ['SHA-256', doc.image.sha256], ['Calibration', doc.calibration_version ?? '–'], ['Trace', doc.trace_id ?? '–']];
  if (doc.cached) rows.push(['Cached', 'answered from an earlier analysis of the same file']);
  return h('details', { class: 'card' }, h('summary', { text: 'Facts' }), h('div', { class: 'scroll' }, h('table', {}, h('tbody', {}, rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row', text: name }), h('td', { text: value })))))));
}

function feedback(doc) {
  const send = async (label) => {
    try {
      await call(`/v1/analyses/${doc.id}/feedback`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ label }) });
      notify('Thank you, your judgement is kept.');
    } catch (error) { notify(error.message); }
  };
  return h('div', { class: 'card' }, h('h2', { text: 'Your judgement' }), h('div', { class: 'row' },
    h('button', { type: 'button', text: 'It is real', onclick: () => send('real') }), h('button', { type: 'button', text: 'It is fake', onclick: () => send('fake') })));
}

function actions(doc, erased) {
  const download = async (path, name) => {
    try {
      const link = h('a', { href: await picture(path), download: name });
      link.click();
    } catch (error) { notify(error.message); }
  };
  return h('div', { class: 'card row' },
    h('button', { type: 'button', text: 'Copy link', onclick: async () => { await navigator.clipboard.writeText(location.href); notify('Link copied.'); } }),
    h('button', { type: 'button', text: 'Report', onclick: () => download(`/v1/analyses/${doc.id}/report`, `${doc.id}.html`) }),
    !erased && h('button', { type: 'button', text: 'Mask', onclick: () => download(doc.links.mask, `${doc.id}-mask.png`) }),
    !erased && h('button', { type: 'button', text: 'Erase', onclick: async () => {
      if (!confirm('Erase the picture, its masks and its report?')) return;
      try { await call(`/v1/analyses/${doc.id}`, { method: 'DELETE' }); notify('Erased.'); location.hash = '#/history'; } catch (error) { notify(error.message); }
    } }));
}

function raw(doc) {
  return h('details', { class: 'card' }, h('summary', { text: 'JSON' }), h('pre', { tabindex: '0', text: JSON.stringify(doc, null, 2) }));
}
