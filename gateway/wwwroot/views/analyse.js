// The first page: drop, paste, choose or name a picture.
import { h, words, when } from '../dom.js';
import { json, picture, submit, submitUrl, submitBatch } from '../api.js';

// The picture just dropped is shown at once, before the server has it.
export const dropped = new Map();

const DETECTORS = { auto: 'Whatever applies', both: 'Edits and faces', shallowfake: 'Edits only', deepfake: 'Faces only' };

export async function analyse(signal) {
  const file = h('input', { type: 'file', accept: 'image/*', multiple: true, id: 'file', hidden: true, 'aria-label': 'Pictures' });
  const detectors = h('select', { id: 'detectors' }, Object.entries(DETECTORS).map(([value, text]) => h('option', { value, text })));
  const crop = h('input', { type: 'checkbox', id: 'crop', checked: true });
  const keep = h('input', { type: 'checkbox', id: 'zero' });
  const error = h('p', { class: 'error', role: 'alert' });
  const options = () => ({ detectors: detectors.value, face_crop: crop.checked, retention: keep.checked ? 'zero' : 'default' });
  const choose = h('button', { type: 'button', class: 'primary large', text: 'Choose pictures', onclick: () => file.click() });
  const status = h('p', { class: 'soft', text: 'JPEG, PNG, WebP, TIFF, GIF or AVIF, up to 20 MB. Several at once become a batch.' });
  const zone = h('div', { class: 'drop' }, art(), h('p', { class: 'big', text: 'Drop a picture here, or paste it' }), choose, status, file);

  async function busy(text, action) {
    error.textContent = '';
    const before = status.textContent;
    status.textContent = text;
    zone.setAttribute('aria-busy', 'true');
    choose.disabled = true;
    try { await action(); } catch (problem) {
      if (!signal.aborted) error.textContent = problem.message;
    } finally {
      status.textContent = before;
      zone.removeAttribute('aria-busy');
      choose.disabled = false;
      file.value = '';
    }
  }

  const send = (files) => files.length > 0 && busy(`Sending ${files.length === 1 ? files[0].name || 'the pasted picture' : `${files.length} pictures`} …`, async () => {
    if (files.length === 1) {
      const accepted = await submit(files[0], options(), signal);
      dropped.set(accepted.id, files[0]);
      location.hash = `#/a/${accepted.id}`;
    } else {
      location.hash = `#/b/${(await submitBatch(files, options(), signal)).id}`;
    }
  });

  file.addEventListener('change', () => send([...file.files]));
  // Dropped anywhere on the page: beside the zone it must not navigate away.
  const over = (shown) => (event) => { event.preventDefault(); zone.classList.toggle('over', shown); };
  for (const name of ['dragenter', 'dragover']) addEventListener(name, over(true), { signal });
  // Between two elements of the page it leaves one as well.
  addEventListener('dragleave', (event) => { if (!event.relatedTarget) zone.classList.remove('over'); }, { signal });
  addEventListener('drop', (event) => { over(false)(event); send([...event.dataTransfer.files]); }, { signal });
  addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) { event.preventDefault(); send(files); }
  }, { signal });

  return h('div', { class: 'start' },
    h('h1', { text: 'What was painted over?' }),
    h('p', { class: 'lead', text: 'Palimpsest marks where a picture was edited or a face was swapped or generated, and says how sure it is.' }),
    zone, error,
    byUrl(busy, options),
    h('details', { class: 'options' }, h('summary', { text: 'Options' }), h('div', { class: 'row' },
      h('span', { class: 'row tight' }, h('label', { for: 'detectors', text: 'Look for' }), detectors),
      h('span', { class: 'row tight' }, crop, h('label', { for: 'crop', text: 'look at faces one by one' })),
      h('span', { class: 'row tight' }, keep, h('label', { for: 'zero', text: 'erase picture and masks when done' })))),
    recent(signal));
}

function byUrl(busy, options) {
  const url = h('input', { type: 'url', id: 'url', placeholder: 'https://…', required: true });
  const form = h('form', { class: 'row address' }, h('label', { for: 'url', text: 'or its address' }), h('div', { class: 'grow' }, url), h('button', { type: 'submit', text: 'Fetch and analyse' }));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    busy('Fetching …', async () => { location.hash = `#/a/${(await submitUrl(url.value, options())).id}`; });
  });
  return form;
}

function art() {
  return h('img', { src: '/icon.svg', alt: '', width: '56', height: '56' });
}

// For those who come back; nobody is asked for a key only to see it.
function recent(signal) {
  const section = h('section', { class: 'recent', 'aria-labelledby': 'recent-title', hidden: true });
  json('/v1/analyses?limit=6&status=succeeded', { signal, quiet: true }).then(({ items }) => {
    const kept = items.filter((doc) => !doc.erased_at);
    if (kept.length === 0) return;
    section.append(h('h2', { id: 'recent-title', text: 'Lately' }), h('ul', { class: 'tiles' }, kept.map((doc) => {
      const image = h('img', { alt: '' });
      picture(`/v1/analyses/${doc.id}/thumbnail?max=320`, signal).then((source) => { image.src = source; }).catch(() => {});
      return h('li', {}, h('a', { href: `#/a/${doc.id}`, title: when(doc.created_at) }, image, h('span', { class: 'name', text: doc.image.filename ?? 'no name' }), h('span', { class: `pill ${doc.verdict}`, text: words[doc.verdict] })));
    })));
    section.hidden = false;
  }).catch(() => {});
  return section;
}
