// Routes of the console. Views return an element; leaving a view aborts what it still loads.
import { key, setKey, json, login, Problem } from './api.js';
import { h, notify } from './dom.js';
import { analyse } from './views/analyse.js';
import { analysis } from './views/analysis.js';
import { history as earlier } from './views/history.js';
import { batches, batch } from './views/batches.js';
import { webhooks } from './views/webhooks.js';

const main = document.getElementById('main');
let leaving = new AbortController();

const routes = [
  [/^#?\/?$/, 'analyse', 'Analyse', analyse],
  [/^#\/a\/([\w-]+)$/, 'analyse', 'Analysis', analysis],
  [/^#\/history(?:\?(.*))?$/, 'history', 'History', earlier],
  [/^#\/batches$/, 'batches', 'Batches', batches],
  [/^#\/b\/([\w-]+)$/, 'batches', 'Batch', batch],
  [/^#\/webhooks$/, 'webhooks', 'Webhooks', webhooks],
];

async function show() {
  if (location.hash === '#main') return;
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [name, title, view, found] = match();
  document.title = `${title} · Palimpsest`;
  for (const link of document.querySelectorAll('[data-nav]')) {
    if (link.dataset.nav === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  main.setAttribute('aria-busy', 'true');
  try {
    const element = await view(signal, ...found);
    if (signal.aborted) return;
    main.replaceChildren(element);
    main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  } catch (error) {
    if (!signal.aborted) main.replaceChildren(failure(error));
  } finally {
    if (!signal.aborted) main.removeAttribute('aria-busy');
  }
}

function match() {
  for (const [pattern, name, title, view] of routes) {
    const found = location.hash.match(pattern);
    if (found) return [name, title, view, found.slice(1)];
  }
  return ['', 'Nothing here', async () => h('div', { class: 'card' }, h('h1', { text: 'Nothing here' }), h('p', {}, h('a', { href: '#/', text: 'Analyse a picture' }))), []];
}

function failure(error) {
  const keyless = error.status === 401;
  return h('div', { class: 'card narrow', role: 'alert' },
    h('h1', { text: keyless ? 'An API key is needed' : error.status === 404 ? 'There is no such thing' : 'That did not work' }),
    h('p', { text: error instanceof Problem ? error.message : 'Something went wrong in this page.' }),
    error.traceId && h('p', { class: 'soft small', text: `Trace ${error.traceId}` }),
    h('button', { type: 'button', class: 'primary', text: keyless ? 'Enter key' : 'Try again', onclick: show }));
}

const dialog = document.getElementById('key-dialog');
const input = document.getElementById('key-input');
const problem = document.getElementById('key-error');
let answered = null;

// One dialog for all requests that wait for a key.
login.ask = () => {
  answered ??= new Promise((resolve) => {
    input.value = key();
    problem.textContent = key() ? 'This key is not accepted.' : '';
    dialog.returnValue = '';
    dialog.addEventListener('close', () => { answered = null; resolve(dialog.returnValue === 'saved'); }, { once: true });
    dialog.showModal();
  });
  return answered;
};

async function save(event) {
  event.preventDefault();
  const before = key();
  setKey(input.value.trim());
  try {
    await json('/v1/detectors', { quiet: true });
    dialog.close('saved');
    notify('Key saved in this browser.');
  } catch (error) {
    setKey(before);
    problem.textContent = error.status === 401 ? 'This key is not accepted.' : error.message;
    input.focus();
  }
}

dialog.querySelector('form').addEventListener('submit', save);
document.getElementById('key-cancel').addEventListener('click', () => dialog.close());
document.getElementById('key-forget').addEventListener('click', () => { setKey(''); dialog.close(); notify('Key forgotten.'); show(); });
document.getElementById('key').addEventListener('click', async () => {
  const asked = login.ask();
  problem.textContent = '';
  if (await asked) show();
});

document.getElementById('theme').addEventListener('click', () => {
  const { dataset } = document.documentElement;
  dataset.theme = dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem('palimpsest-theme', dataset.theme);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => {
  if (!localStorage.getItem('palimpsest-theme')) document.documentElement.dataset.theme = event.matches ? 'dark' : 'light';
});

document.querySelector('.skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });

// `palimpsest up` prints this address with its first key. Loopback only: elsewhere a link could put someone else's key in place.
const printed = location.hash.match(/^#key=([\w-]+)$/);
if (printed) {
  if (['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)) setKey(printed[1]);
  history.replaceState(null, '', '#/');
}

addEventListener('hashchange', show);
show();
