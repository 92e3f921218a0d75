import { h, notify, percent, when, words } from '../dom.js';
import { call, json, picture } from '../api.js';

export async function history(signal) {
  let cursor = null;
  const status = h('select', { id: 'status' }, h('option', { value: '', text: 'any' }), ['queued', 'running', 'succeeded', 'failed', 'canceled'].map((value) => h('option', { value, text: value })));
  const verdict = h('select', { id: 'verdict' }, h('option', { value: '', text: 'any' }), Object.entries(words).map(([value, text]) => h('option', { value, text })));
  const body = h('tbody');
  const more = h('button', { type: 'button', text: 'More', hidden: true, onclick: () => load(false) });
  const empty = h('p', { class: 'soft', hidden: true, text: 'Nothing yet.' });

  async function load(fresh) {
    if (fresh) { cursor = null; body.replaceChildren(); }
    const query = new URLSearchParams({ limit: '25' });
    if (status.value) query.set('status', status.value);
    if (verdict.value) query.set('verdict', verdict.value);
    if (cursor) query.set('cursor', cursor);
    const page = await json(`/v1/analyses?${query}`, { signal });
    const items = page.items;
    body.append(...items.map((doc) => row(doc, signal)));
    cursor = page.next_cursor;
    more.hidden = !cursor;
    empty.hidden = body.children.length > 0;
  }
  for (const filter of [status, verdict]) filter.addEventListener('change', () => load(true).catch((error) => notify(error.message)));
  await load(true);
  const exportCsv = async () => {
    const response = await call('/v1/analyses?limit=200', { headers: { Accept: 'text/csv' } });
    h('a', { href: URL.createObjectURL(await response.blob()), download: 'analyses.csv' }).click();
  };
  return h('div', {}, h('h1', { text: 'History' }),
    h('div', { class: 'controls' }, h('label', { for: 'status', text: 'Status' }), status, h('label', { for: 'verdict', text: 'Verdict' }), verdict,
      h('button', { type: 'button', text: 'CSV', onclick: () => exportCsv().catch((error) => notify(error.message)) })),
    h('div', { class: 'card scroll' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', {}, h('span', { class: 'soft', text: 'Picture' })), h('th', { text: 'File' }), h('th', { text: 'Verdict' }), h('th', { text: 'Score' }), h('th', { class: 'hide-small', text: 'Received' }))), body), empty),
    more);
}

export function row(doc, signal) {
  const image = h('img', { class: 'thumb', alt: '' });
  if (doc.status === 'succeeded' && !doc.erased_at) {
    picture(`/v1/analyses/${doc.id}/thumbnail?max=128`, signal).then((url) => { image.src = url; }).catch(() => { image.hidden = true; });
  } else image.hidden = true;
  const label = doc.verdict ? words[doc.verdict] : doc.status;
  return h('tr', {}, h('td', {}, image), h('td', {}, h('a', { href: `#/a/${doc.id}`, text: doc.image?.filename ?? doc.id })),
    h('td', {}, h('span', { class: `pill ${doc.verdict ?? doc.status}`, text: label }), doc.error && h('div', { class: 'small soft', text: doc.error.code })), h('td', { text: percent(doc.score) }), h('td', { class: 'hide-small', text: when(doc.created_at) }));
}
