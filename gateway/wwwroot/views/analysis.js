// One analysis: its stages while it runs, then picture, verdict and evidence.
import { h, notify, percent, when, words } from '../dom.js';
import { follow, json } from '../api.js';
import { dropped } from './analyse.js';
import { actions, feedback, raw } from './actions.js';
import { evidencePanel } from './evidence.js';
import { picturePanel } from './picture.js';
import { detectors, facts, places, verdict } from './verdict.js';

const STAGES = { preprocessing: 'Read the file', routing: 'Choose who looks', localizing: 'Look', reporting: 'Write the report' };

const finished = (doc) => ['succeeded', 'failed', 'canceled'].includes(doc.status);

export async function analysis(signal, id) {
  let current = await json(`/v1/analyses/${id}`, { signal });
  const page = h('div', { class: 'analysis' });
  const render = () => page.replaceChildren(...(finished(current) ? result(current, signal) : waiting(current, signal)));
  render();
  if (!finished(current)) {
    watch(id, (doc) => { current = doc; render(); }, signal).catch((error) => { if (!signal.aborted) notify(error.message); });
  }
  return page;
}

async function watch(id, show, signal) {
  let last = null;
  await follow(id, (doc) => { if (!signal.aborted) { last = doc; show(doc); } }, signal);
  if (!last || !finished(last)) { last = await json(`/v1/analyses/${id}`, { signal }); show(last); }
  notify(last.status === 'succeeded' ? `${words[last.verdict]}, ${percent(last.score)}` : 'This picture could not be analysed.');
}

function waiting(doc, signal) {
  const stages = Object.keys(STAGES);
  const at = stages.indexOf(doc.progress.stage);
  return [h('div', { class: 'card narrow', 'aria-busy': 'true' },
    h('h1', { text: doc.status === 'queued' ? 'Waiting for its turn' : 'Looking closely' }),
    h('p', { class: 'soft', text: doc.image.filename ?? doc.id }),
    h('ol', { class: 'stages' }, stages.map((stage, i) => h('li', { class: i < at ? 'done' : i === at ? 'now' : '', 'aria-current': i === at ? 'step' : null, text: STAGES[stage] }))),
    preview(doc, signal))];
}

function preview(doc, signal) {
  const file = dropped.get(doc.id);
  if (!file) return null;
  const url = URL.createObjectURL(file);
  signal.addEventListener('abort', () => URL.revokeObjectURL(url), { once: true });
  return h('img', { class: 'preview', alt: 'The picture you sent', src: url, onerror: (event) => { event.target.hidden = true; } });
}

function result(doc, signal) {
  if (doc.status !== 'succeeded') return [failed(doc)];
  const erased = Boolean(doc.erased_at);
  const panel = erased ? null : picturePanel(doc, signal);
  // The verdict comes first, to those who listen and on a narrow screen.
  return [h('div', { class: 'split' },
    h('section', { class: 'first', 'aria-label': 'Verdict' }, verdict(doc)),
    h('section', { class: 'main', 'aria-label': 'Picture' },
      panel?.element ?? h('div', { class: 'card', text: `Picture and masks were erased ${when(doc.erased_at)}; the numbers stay.` })),
    h('section', { class: 'rest', 'aria-label': 'What to do with it' }, places(doc, panel?.viewer), feedback(doc, signal), actions(doc, erased))),
  h('div', { class: 'halves' }, detectors(doc), facts(doc)),
  evidencePanel(doc, panel, signal), raw(doc)];
}

function failed(doc) {
  return h('div', { class: 'card narrow verdict failed', role: 'alert' },
    h('h1', { text: doc.status === 'canceled' ? 'Canceled' : 'This picture could not be analysed' }),
    h('p', { class: 'soft', text: doc.image.filename ?? doc.id }),
    h('p', { text: doc.error?.detail ?? 'It was deleted before it finished.' }),
    doc.error && h('p', { class: 'soft small', text: `${doc.error.code} · trace ${doc.trace_id ?? '–'}` }),
    h('p', {}, h('a', { class: 'button primary', href: '#/', text: 'Analyse another picture' })));
}
