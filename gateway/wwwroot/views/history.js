// Earlier analyses, newest first; the filters are part of the address.
import { attempt, bytes, download, h, when, words } from '../dom.js';
import { call, json } from '../api.js';
import { entry, thumbnails } from './list.js';

const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled'];

export async function history(signal, query) {
  const chosen = new URLSearchParams(query ?? '');
  const select = (id, entries) => {
    const element = h('select', { id }, h('option', { value: '', text: 'any' }), entries.map(([value, text]) => h('option', { value, text, selected: chosen.get(id) === value })));
    element.addEventListener('change', attempt(() => load(true)));
    return element;
  };
  const [verdict, status] = [select('verdict', Object.entries(words)), select('status', STATUSES.map((value) => [value, value]))];
  const list = h('ul', { class: 'entries', 'aria-label': 'Analyses' });
  const empty = h('p', { class: 'soft' });
  const more = h('button', { type: 'button', text: 'More', onclick: attempt(() => load(false)) });
  const thumbnail = thumbnails(signal);
  let [cursor, asked] = [null, 0];

  const filters = () => new URLSearchParams([['verdict', verdict.value], ['status', status.value]].filter(([, value]) => value));

  async function load(fresh) {
    const [number, parameters] = [++asked, filters()];
    if (fresh) {
      cursor = null;
      const address = parameters.toString();
      window.history.replaceState(null, '', `#/history${address && `?${address}`}`);
    }
    parameters.set('limit', '25');
    if (cursor) parameters.set('cursor', cursor);
    const page = await json(`/v1/analyses?${parameters}`, { signal });
    if (number !== asked) return; // Filters were changed meanwhile.
    if (fresh) list.replaceChildren();
    list.append(...page.items.map((doc) => entry({
      ...doc, image: thumbnail(doc.status === 'succeeded' && !doc.erased_at ? doc.id : null), name: doc.image.filename ?? doc.id, detail: `${when(doc.created_at)} · ${bytes(doc.image.bytes)}`,
    })));
    cursor = page.next_cursor;
    more.hidden = !cursor;
    empty.hidden = list.children.length > 0;
    empty.textContent = verdict.value || status.value ? 'Nothing matches these filters.' : 'Nothing yet. Drop a picture on the first page.';
    list.hidden = !empty.hidden;
  }

  const exported = attempt(async () => {
    const parameters = filters();
    const response = await call(`/v1/analyses?${parameters}`, { headers: { Accept: 'text/csv' } });
    download(URL.createObjectURL(await response.blob()), 'analyses.csv');
  });
  await load(true);
  return h('div', {}, h('div', { class: 'row spread head' }, h('h1', { text: 'History' }),
    h('div', { class: 'row' }, h('span', { class: 'row tight' }, h('label', { for: 'verdict', text: 'Verdict' }), verdict), h('span', { class: 'row tight' }, h('label', { for: 'status', text: 'Status' }), status),
      h('button', { type: 'button', text: 'Export CSV', onclick: exported }))),
  list, empty, h('p', { class: 'center' }, more));
}
