// What a person does with a result: judge it, pass it on, take it away, erase it.
import { ask, attempt, copy, download, h, notify } from '../dom.js';
import { call, picture, post } from '../api.js';

export function feedback(doc, signal) {
  const note = h('input', { type: 'text', id: 'note', maxlength: '2000', placeholder: 'Why? (optional)', 'aria-label': 'Note on your judgement' });
  const labels = { real: 'It is real', fake: 'It is manipulated' };
  const buttons = Object.entries(labels).map(([label, text]) => h('button', { type: 'button', 'aria-pressed': 'false', text, onclick: attempt(async () => {
    await post(`/v1/analyses/${doc.id}/feedback`, { label, note: note.value || null });
    press(label);
    notify('Thank you, your judgement is kept.');
  }) }));
  const press = (label) => Object.keys(labels).forEach((each, i) => buttons[i].setAttribute('aria-pressed', String(each === label)));
  // What was said earlier, here or in another browser; what is being said now is newer than the answer.
  call(`/v1/analyses/${doc.id}/feedback`, { signal, quiet: true }).then(async (response) => {
    if (response.status !== 200) return;
    const kept = await response.json();
    if (buttons.some((button) => button.getAttribute('aria-pressed') === 'true')) return;
    press(kept.label);
    note.value ||= kept.note ?? '';
  }).catch(() => {});
  return h('section', { class: 'card', 'aria-labelledby': 'judgement' }, h('h2', { id: 'judgement', text: 'Your judgement' }), note, h('div', { class: 'row' }, buttons));
}

export function actions(doc, erased) {
  const get = (text, path, name) => h('button', { type: 'button', text, onclick: attempt(async () => download(await picture(path), name)) });
  const report = `/v1/analyses/${doc.id}/report`;
  return h('section', { class: 'card', 'aria-labelledby': 'pass-on' }, h('h2', { id: 'pass-on', text: 'Pass it on' }), h('div', { class: 'row' },
    h('button', { type: 'button', text: 'Copy link', onclick: attempt(async () => { await copy(location.href); notify('Link copied.'); }) }),
    get('Download report', report, `${doc.id}.html`), get('JSON', `${report}?format=json`, `${doc.id}.json`), get('CSV', `${report}?format=csv`, `${doc.id}.csv`),
    !erased && get('Mask', doc.links.mask, `${doc.id}-mask.png`), !erased && get('Overlay', doc.links.overlay, `${doc.id}-overlay.png`),
    !erased && h('button', { type: 'button', class: 'danger', text: 'Erase …', onclick: attempt(async () => {
      if (!await ask('Erase this analysis?', 'The picture, its masks and its report are erased. This cannot be undone.', 'Erase')) return;
      await call(`/v1/analyses/${doc.id}`, { method: 'DELETE' });
      notify('Erased.');
      location.hash = '#/history';
    }) })));
}

export function raw(doc) {
  const text = JSON.stringify(doc, null, 2);
  return h('details', { class: 'card' }, h('summary', { text: 'The answer as JSON' }),
    h('p', {}, h('button', { type: 'button', text: 'Copy', onclick: attempt(async () => { await copy(text); notify('Copied.'); }) })), h('pre', { tabindex: '0', 'aria-label': 'JSON', text }));
}
