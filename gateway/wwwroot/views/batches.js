import { h, notify, percent, when, words } from '../dom.js';
import { call, json } from '../api.js';

export async function batches(signal) {
  const page = await json('/v1/batches', { signal });
  const { items } = page;
  return h('div', {}, h('h1', { text: 'Batches' }), h('p', { class: 'soft' }, 'Drop several pictures at once on ', h('a', { href: '#/', text: 'Analyse' }), ' to make one.'),
    items.length === 0 ? h('p', { class: 'soft', text: 'Nothing yet.' }) : h('div', { class: 'card scroll' }, h('table', {},
      h('thead', {}, h('tr', {}, ['Batch', 'Received', 'Done', 'Total'].map((text) => h('th', { text })))),
      h('tbody', {}, items.map((b) => h('tr', {}, h('td', {}, h('a', { href: `#/b/${b.id}`, text: b.id })), h('td', { text: when(b.created_at) }), h('td', { text: done(b) }), h('td', { text: b.counts.total })))))));
}

const done = (b) => (b.counts.succeeded ?? 0) + (b.counts.failed ?? 0) + (b.counts.canceled ?? 0) + (b.counts.rejected ?? 0);

function item({ analysis_id: id, filename, url, status, verdict, score, error }) {
  const name = filename ?? url ?? id;
  return h('tr', {}, h('td', {}, id ? h('a', { href: `#/a/${id}`, text: name }) : name),
    h('td', {}, h('span', { class: `pill ${error ? 'error' : verdict ?? status}`, text: verdict ? words[verdict] : status }), error && h('div', { class: 'small soft', text: error.detail })),
    h('td', { text: percent(score) }));
}

export async function batch(id, signal) {
  const page = h('div');
  async function refresh() {
    const doc = await json(`/v1/batches/${id}`, { signal });
    const finished = done(doc);
    const bar = h('div');
    bar.style.width = `${(100 * finished) / Math.max(1, doc.counts.total)}%`;
    page.replaceChildren(h('h1', { text: 'Batch' }), h('p', { class: 'soft small', text: id }),
      h('div', { class: 'card', 'aria-busy': String(finished < doc.counts.total) }, h('p', { text: `${finished} of ${doc.counts.total} done` }), h('div', { class: 'meter', role: 'progressbar', 'aria-label': 'Progress', 'aria-valuemin': '0', 'aria-valuemax': doc.counts.total, 'aria-valuenow': finished }, bar),
        h('button', { type: 'button', text: 'Results as CSV', onclick: async () => {
          try { h('a', { href: URL.createObjectURL(await (await call(`/v1/batches/${id}/results.csv`)).blob()), download: `${id}.csv` }).click(); } catch (error) { notify(error.message); }
        } })),
      h('div', { class: 'card scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ['File', 'Verdict', 'Score'].map((text) => h('th', { text })))),
        h('tbody', {}, doc.items.map(item)))));
    return finished >= doc.counts.total;
  }
  const over = await refresh();
  if (!over) {
    (async () => {
      while (!signal.aborted) {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        if (signal.aborted || await refresh()) return;
      }
    })().catch((error) => { if (!signal.aborted) notify(error.message); });
  }
  return page;
}
