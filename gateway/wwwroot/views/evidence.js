import { h, notify } from '../dom.js';
import { json, picture } from '../api.js';

const TITLES = {
  ela: 'Error level analysis', noise: 'Noise residual', 'noise-variance': 'Noise variance', ghosts: 'JPEG ghosts', 'double-quantisation': 'Double quantisation', quantisation: 'Quantisation tables',
  grid: 'Blocking grid', 'copy-move': 'Copy-move', metadata: 'Metadata', c2pa: 'C2PA', activation: 'What the model looked at', hash: 'Near duplicates',
};

export function evidencePanel(doc, viewer, signal) {
  if (!doc.evidence?.length) return null;
  const body = h('div', { class: 'evidence', role: 'tabpanel', id: 'evidence-panel' });
  const tabs = doc.evidence.map((item, i) => h('button', {
    type: 'button', role: 'tab', 'aria-selected': 'false', 'aria-controls': 'evidence-panel', id: `evidence-${item.name}`, tabindex: i === 0 ? '0' : '-1', text: TITLES[item.name] ?? item.name, onclick: () => select(i),
  }));
  async function select(i) {
    tabs.forEach((tab, j) => { tab.setAttribute('aria-selected', String(i === j)); tab.tabIndex = i === j ? 0 : -1; });
    body.setAttribute('aria-labelledby', tabs[i].id);
    body.replaceChildren(h('p', { class: 'soft', text: 'Looking…' }));
    try {
      let item = doc.evidence[i];
      if (item.state === 'available') {
        item = await json(`/v1/analyses/${doc.id}/evidence/${item.name}?format=json`, { signal });
        doc.evidence[i] = item;
      }
      const parts = [h('p', { text: item.summary ?? 'No summary.' })];
      if (item.limits) parts.push(h('p', { class: 'small soft', text: item.limits }));
      if (item.map) {
        const map = h('img', { src: await picture(item.map, signal), alt: `${TITLES[item.name] ?? item.name} map` });
        const original = h('img', { src: viewer.image.src, alt: 'The picture, for comparison' });
        parts.push(h('div', { class: 'pair' }, original, map));
      }
      body.replaceChildren(...parts);
    } catch (error) {
      if (!signal.aborted) { body.replaceChildren(h('p', { class: 'error', text: error.message })); notify(error.message); }
    }
  }
  const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Evidence', onkeydown: (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = event.key === 'ArrowRight' ? at + 1 : event.key === 'ArrowLeft' ? at - 1 : -1;
    if (at >= 0 && to >= 0 && to < tabs.length) { tabs[to].focus(); select(to); }
  } }, tabs);
  select(0);
  return h('div', { class: 'card' }, h('h2', { text: 'Evidence' }), h('p', { class: 'small soft', text: 'Classical methods, shown to judge our judgement. None of them alone proves anything.' }), list, body);
}
