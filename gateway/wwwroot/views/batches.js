// Batches and how far they are.
import { attempt, download, h, notify, plural, when } from '../dom.js';
import { call, json } from '../api.js';
import { entry, thumbnails } from './list.js';

const EVERY = 1000;

const done = ({ counts }) => counts.succeeded + counts.failed + counts.canceled + counts.rejected;

function progress(batch) {
  const bar = h('div');
  const element = h('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Done', 'aria-valuemin': '0' }, bar);
  const set = (doc) => {
    element.setAttribute('aria-valuemax', doc.counts.total);
    element.setAttribute('aria-valuenow', done(doc));
    bar.style.width = `${(100 * done(doc)) / Math.max(1, doc.counts.total)}%`;
  };
  set(batch);
  return { element, set };
}

const summary = ({ counts }) => [[counts.succeeded, 'analysed'], [counts.failed, 'failed'], [counts.rejected, 'refused'], [counts.canceled, 'canceled'], [counts.queued + counts.running, 'to go']]
  .filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`).join(' · ');

export async function batches(signal) {
  const list = h('ul', { class: 'entries', 'aria-label': 'Batches' });
  const more = h('button', { type: 'button', text: 'More', onclick: attempt(() => load()) });
  let cursor = null;
  async function load() {
    const page = await json(`/v1/batches?limit=25${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, { signal });
    list.append(...page.items.map((b) => h('li', {}, h('a', { class: 'entry batch', href: `#/b/${b.id}` },
      h('span', { class: 'what' }, h('span', { class: 'name', text: `${plural(b.counts.total, 'picture')}, ${when(b.created_at)}` }), h('span', { class: 'small soft', text: summary(b) })), progress(b).element))));
    cursor = page.next_cursor;
    more.hidden = !cursor;
  }
  await load();
  return h('div', {}, h('h1', { text: 'Batches' }), h('p', { class: 'soft' }, 'Drop several pictures at once on ', h('a', { href: '#/', text: 'Analyse' }), ' to make one.'),
    list.children.length === 0 ? h('p', { class: 'soft', text: 'Nothing yet.' }) : list, h('p', { class: 'center' }, more));
}

export async function batch(signal, id) {
  let doc = await json(`/v1/batches/${id}`, { signal });
  const [bar, thumbnail] = [progress(doc), thumbnails(signal)];
  const counts = h('p', { class: 'soft', role: 'status' });
  const list = h('ul', { class: 'entries', 'aria-label': 'Pictures of this batch' });
  const shown = [];

  // Only rows that changed are made anew, so that nobody loses the place in the list.
  function render() {
    bar.set(doc);
    counts.textContent = summary(doc);
    doc.items.forEach((item, i) => {
      if (shown[i] === item.status) return;
      shown[i] = item.status;
      const row = entry({
        ...item, id: item.analysis_id, image: thumbnail(item.status === 'succeeded' ? item.analysis_id : null), name: item.filename ?? item.url ?? item.analysis_id, detail: '',
      });
      if (list.children[i]) list.children[i].replaceWith(row); else list.append(row);
    });
  }

  async function watch() {
    while (done(doc) < doc.counts.total && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, EVERY));
      if (signal.aborted) return;
      doc = await json(`/v1/batches/${id}`, { signal });
      render();
    }
  }
  render();
  watch().catch((error) => { if (!signal.aborted) notify(error.message); });
  return h('div', {}, h('div', { class: 'row spread head' }, h('h1', { text: `Batch of ${plural(doc.counts.total, 'picture')}` }),
    h('button', { type: 'button', text: 'Results as CSV', onclick: attempt(async () => download(URL.createObjectURL(await (await call(`/v1/batches/${id}/results.csv`)).blob()), `${id}.csv`)) })),
  h('div', { class: 'card' }, counts, bar.element), list, h('p', { class: 'soft small', text: `${id} · received ${when(doc.created_at)}` }));
}
