// Routes of the console. Views return an element; leaving a view aborts what it still loads.
import { key, setKey, json, Problem } from './api.js';
import { h, notify } from './dom.js';
import { analyse } from './views/analyse.js';
import { analysis } from './views/analysis.js';
import { history } from './views/history.js';
import { batches, batch } from './views/batches.js';
import { webhooks } from './views/webhooks.js';

const main = document.getElementById('main');
let leaving = new AbortController();

const routes = [
  [/^#?\/?$/, 'analyse', (signal) => analyse(signal)],
  [/^#\/a\/([\w-]+)$/, 'analyse', (signal, id) => analysis(id, signal)],
  [/^#\/history$/, 'history', (signal) => history(signal)],
  [/^#\/batches$/, 'batches', (signal) => batches(signal)],
  [/^#\/b\/([\w-]+)$/, 'batches', (signal, id) => batch(id, signal)],
  [/^#\/webhooks$/, 'webhooks', (signal) => webhooks(signal)],
];

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [, name, view, found] = match();
  for (const link of document.querySelectorAll('[data-nav]')) {
    if (link.dataset.nav === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  main.replaceChildren(h('p', { class: 'soft', text: 'Loading…' }));
  try {
    const element = await view(signal, ...found);
    if (!signal.aborted) { main.replaceChildren(element); main.focus({ preventScroll: true }); window.scrollTo(0, 0); }
  } catch (error) {
    if (!signal.aborted) main.replaceChildren(failure(error));
  }
}

function match() {
  for (const [pattern, name, view] of routes) {
    const found = location.hash.match(pattern);
    if (found) return [pattern, name, view, found.slice(1)];
  }
  return [null, '', async () => h('div', { class: 'card' }, h('h1', { text: 'Nothing here' }), h('a', { href: '#/', text: 'Analyse a picture' })), []];
}

function failure(error) {
  const detail = error instanceof Problem ? error.message : 'Something went wrong in this page.';
  return h('div', { class: 'card', role: 'alert' }, h('h1', { text: error.status === 401 ? 'An API key is needed' : 'That did not work' }), h('p', { text: detail }),
    error.traceId && h('p', { class: 'soft small', text: `Trace ${error.traceId}` }),
    h('button', { type: 'button', class: 'primary', text: error.status === 401 ? 'Enter key' : 'Try again', onclick: () => error.status === 401 ? askForKey() : show() }));
}

const dialog = document.getElementById('key-dialog');
const input = document.getElementById('key-input');
function askForKey() {
  if (dialog.open) return;
  input.value = key();
  document.getElementById('key-error').textContent = '';
  dialog.showModal();
}
document.getElementById('key').addEventListener('click', askForKey);
document.getElementById('key-cancel').addEventListener('click', () => dialog.close());
document.addEventListener('need-key', askForKey);
dialog.querySelector('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const before = key();
  setKey(input.value.trim());
  try {
    await json('/v1/detectors');
    dialog.close();
    notify('Key saved in this browser.');
    show();
  } catch (error) {
    setKey(before);
    document.getElementById('key-error').textContent = error.message;
  }
});

const root = document.documentElement;
const stored = localStorage.getItem('palimpsest-theme');
if (stored) root.dataset.theme = stored;
document.getElementById('theme').addEventListener('click', () => {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('palimpsest-theme', root.dataset.theme);
});

addEventListener('hashchange', show);
show();
