import { h, notify } from '../dom.js';
import { submit, submitUrl, submitBatch } from '../api.js';

// The picture just dropped is shown at once, before the server has it.
export const dropped = new Map();

export async function analyse(signal) {
  const file = h('input', { type: 'file', accept: 'image/*', multiple: true, id: 'file', class: 'hide-small', hidden: true });
  const detectors = h('select', { id: 'detectors' },
    h('option', { value: 'auto', text: 'Automatic' }), h('option', { value: 'both', text: 'Both localizers' }),
    h('option', { value: 'shallowfake', text: 'Edits only' }), h('option', { value: 'deepfake', text: 'Faces only' }));
  const crop = h('input', { type: 'checkbox', id: 'crop', checked: true });
  const url = h('input', { type: 'url', id: 'url', placeholder: 'https://…', required: true });
  const error = h('p', { class: 'error', role: 'alert' });
  const options = () => ({ detectors: detectors.value, face_crop: String(crop.checked) });

  async function send(files) {
    error.textContent = '';
    if (files.length === 0) return;
    zone.setAttribute('aria-busy', 'true');
    choose.disabled = true;
    try {
      if (files.length === 1) {
        const accepted = await submit(files[0], options());
        dropped.set(accepted.id, files[0]);
        location.hash = `#/a/${accepted.id}`;
      } else {
        const accepted = await submitBatch(files, options());
        location.hash = `#/b/${accepted.id}`;
      }
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      zone.removeAttribute('aria-busy');
      choose.disabled = false;
    }
  }

  const choose = h('button', { type: 'button', class: 'primary', text: 'Choose pictures', onclick: () => file.click() });
  const zone = h('div', { class: 'drop' },
    h('p', { class: 'big', text: 'Drop a picture here, or paste it' }),
    h('p', { class: 'soft', text: 'JPEG, PNG, WebP, TIFF, GIF or AVIF, up to 20 MB. Several at once become a batch.' }), choose, file);
  file.addEventListener('change', () => send([...file.files]));
  for (const name of ['dragover', 'dragenter']) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add('over'); });
  for (const name of ['dragleave', 'drop']) zone.addEventListener(name, () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => { event.preventDefault(); send([...event.dataTransfer.files]); });
  // A picture dropped beside the zone must not navigate away.
  for (const name of ['dragover', 'drop']) addEventListener(name, (event) => event.preventDefault(), { signal });
  addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) { event.preventDefault(); send(files); }
  }, { signal });

  const byUrl = h('form', { class: 'row' }, h('label', { for: 'url', text: 'or an address' }), h('div', { class: 'grow' }, url), h('button', { type: 'submit', text: 'Fetch and analyse' }));
  byUrl.addEventListener('submit', async (event) => {
    event.preventDefault();
    error.textContent = '';
    try {
      const accepted = await submitUrl(url.value, { detectors: detectors.value, face_crop: crop.checked });
      location.hash = `#/a/${accepted.id}`;
    } catch (problem) {
      error.textContent = problem.message;
      notify('Not accepted.');
    }
  });

  return h('div', {},
    h('h1', { text: 'What was painted over?' }),
    h('p', { class: 'soft', text: 'Palimpsest marks where a picture was edited or a face was swapped or generated, and says how sure it is.' }),
    zone, error,
    h('div', { class: 'card controls' }, byUrl, h('div', { class: 'row' },
      h('label', { for: 'detectors', text: 'Look for' }), detectors, h('span', { class: 'row' }, crop, h('label', { for: 'crop', text: 'crop to faces' })))));
}
