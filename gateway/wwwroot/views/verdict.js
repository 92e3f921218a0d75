// The verdict in words, where it looks manipulated, who looked.
import { bytes, duration, h, percent, plural, when, words } from '../dom.js';

const KINDS = { shallowfake: 'an edit of the photograph', deepfake: 'a swapped or generated face', both: 'an edit and a swapped or generated face' };
const LOOKS = { shallowfake: 'Edits of the photograph', deepfake: 'Swapped or generated faces' };
const STATES = { completed: 'has looked', not_applicable: 'does not apply', error: 'failed', timeout: 'timed out', pending: 'waiting' };
const SIGNS = { likely_fake: '!', likely_real: '✓', uncertain: '?' };

export function verdict(doc) {
  return h('div', { class: `card verdict ${doc.verdict}` },
    h('div', { class: 'row tight' }, h('span', { class: 'sign', 'aria-hidden': 'true', text: SIGNS[doc.verdict] }), h('h1', { text: words[doc.verdict] })),
    meter(doc.score),
    h('p', { text: explain(doc) }),
    h('p', { class: 'small', text: meaning(doc) }),
    doc.warnings.length > 0 && h('ul', { class: 'warnings small' }, doc.warnings.map((text) => h('li', { text }))));
}

function meter(score) {
  return h('div', { class: 'meter', role: 'img', 'aria-label': `Probability of manipulation ${percent(score, 1)}` },
    h('div', { class: 'track' }, h('div', { class: 'needle', style: { left: `${score * 100}%` } })),
    h('div', { class: 'ticks small' }, h('span', { text: 'real' }), h('strong', { text: `${percent(score, 1)} probability` }), h('span', { text: 'manipulated' })));
}

function explain(doc) {
  if (doc.verdict === 'likely_fake') {
    const where = doc.regions.length === 0 ? '' : `, in ${plural(doc.regions.length, 'area')} covering ${percent(doc.manipulated_area, 1)} of the picture`;
    return `It looks like ${KINDS[doc.kind] ?? 'a manipulation'}${where}.`;
  }
  if (doc.verdict === 'likely_real') return 'No localizer that applies to this picture saw a manipulation.';
  return 'Too little to call it manipulated, too much, or too incomplete, to call it real. Look at the evidence and at where it came from.';
}

function meaning(doc) {
  const of = doc.score >= 0.995 ? 'more than 99' : doc.score < 0.005 ? 'fewer than 1' : `about ${Math.round(doc.score * 100)}`;
  const caveat = 'Strong compression and resizing, as messengers do it, make the score less reliable.';
  const counted = `Among the pictures this score was calibrated on, ${of} of 100 with such a score were manipulated.`;
  return doc.verdict === 'likely_real' ? `${counted} That is not a proof that this one is not. ${caveat}` : `${counted} ${caveat}`;
}

// Regions and faces; choosing one brings it into view.
export function places(doc, viewer) {
  if (doc.regions.length + doc.faces.length === 0) return null;
  const place = (title, text, box) => h('li', {}, h('button', { type: 'button', class: 'quiet place', disabled: !viewer, onclick: () => { viewer.show(box); viewer.element.focus(); } },
    h('span', { text: title }), h('span', { class: 'soft small', text })));
  return h('div', { class: 'card' }, h('h2', { text: 'Where' }), h('ul', { class: 'plain' },
    doc.regions.map((r, i) => place(`Area ${i + 1}`, `${percent(r.score)} · ${percent(r.area, 1)} of the picture · ${r.box.width} × ${r.box.height} px · ${r.detector}`, r.box)),
    doc.faces.map((f, i) => place(`Face ${i + 1}`, `${f.score === null ? 'not judged' : `${percent(f.score)} fake`} · ${f.box.width} × ${f.box.height} px · found with ${percent(f.confidence)}`, f.box))));
}

export function detectors(doc) {
  return h('section', { class: 'card', 'aria-labelledby': 'who' }, h('h2', { id: 'who', text: 'Who looked' }),
    h('ul', { class: 'plain who' }, doc.detectors.map((d) => h('li', {},
      h('div', { class: 'row spread' }, h('strong', { text: LOOKS[d.name] ?? d.name }), h('span', { class: `pill ${d.state}`, text: STATES[d.state] ?? d.state })),
      d.reason && h('p', { class: 'small soft sentence', text: d.reason }),
      d.score !== null && d.score !== undefined && gauge(d),
      d.model && h('p', { class: 'small soft', text: `${d.model.name} ${d.model.version} · ${duration(d.duration_ms)} on ${(d.provider ?? 'cpu').toUpperCase()} · sha256 ${d.model.sha256.slice(0, 12)}…` })))),
    reasons(doc).length > 0 && h('p', { class: 'small soft', text: reasons(doc).join(' ') }));
}

const reasons = (doc) => (doc.routing?.reasons ?? []).filter((text) => !doc.detectors.some((d) => d.reason === text));

function gauge({ score, threshold }) {
  return h('div', { class: 'gauge', role: 'img', 'aria-label': `Score ${percent(score)}, threshold ${percent(threshold)}` },
    h('div', { class: 'track' }, h('div', { class: 'bar', style: { width: `${score * 100}%` } }), threshold !== null && h('div', { class: 'mark', style: { left: `${threshold * 100}%` } })),
    h('span', { class: 'small', text: `${percent(score)} · this model\'s own threshold ${percent(threshold)}` }));
}

export function facts(doc) {
  const rows = [
    ['File', doc.image.filename ?? '–'], ['Size', `${doc.image.width} × ${doc.image.height} px, ${doc.image.format.toUpperCase()}, ${bytes(doc.image.bytes)}`], ['Received', when(doc.created_at)],
    ['Took', doc.cached ? 'nothing: answered from an earlier analysis of the same file' : duration(new Date(doc.completed_at) - new Date(doc.created_at))],
    ['Calibration', doc.calibration_version ?? '–'], ['SHA-256', doc.image.sha256], ['Trace', doc.trace_id ?? '–']];
  return h('section', { class: 'card', 'aria-labelledby': 'facts' }, h('h2', { id: 'facts', text: 'File and run' }),
    h('dl', { class: 'facts' }, rows.flatMap(([name, value]) => [h('dt', { text: name }), h('dd', { text: value })])));
}
