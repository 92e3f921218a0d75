// Small helpers to build the page: text is always set as text, never as markup.
export const h = (tag, props = {}, ...children) => fill(document.createElement(tag), props, children);

export const svg = (tag, props = {}, ...children) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'text') node.textContent = value;
    else if (name === 'style') Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Rounding must not make anything certain: 0.9997 is not 100 %.
export function percent(value, digits = 0) {
  if (value === null || value === undefined) return '–';
  const text = (value * 100).toFixed(digits);
  return value < 1 && Number(text) === 100 ? `> ${(100 - 10 ** -digits).toFixed(digits)} %` : `${text} %`;
}

export const when = (text) => text ? new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : '–';

export const bytes = (count) => count > 1e6 ? `${(count / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(count / 1e3))} kB`;

export const duration = (milliseconds) => milliseconds === null || milliseconds === undefined ? '–'
  : milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export const words = { likely_fake: 'Likely manipulated', likely_real: 'Likely real', uncertain: 'Uncertain' };

let timer;
export function notify(text) {
  const box = document.getElementById('notice');
  box.textContent = text;
  box.classList.add('show');
  clearTimeout(timer);
  timer = setTimeout(() => box.classList.remove('show'), 4000);
}

// Runs what a button asks for; a failure is said, not swallowed.
export const attempt = (action) => async (event) => {
  try { await action(event); } catch (error) { if (error.name !== 'AbortError') notify(error.message); }
};

// A modal question; true when it was answered with yes.
export function ask(title, text, yes) {
  return new Promise((resolve) => {
    const close = (answer) => { dialog.close(); dialog.remove(); resolve(answer); };
    const dialog = h('dialog', { 'aria-labelledby': 'ask-title', oncancel: () => { dialog.remove(); resolve(false); } },
      h('h2', { id: 'ask-title', text: title }), h('p', { text }),
      h('div', { class: 'row end' }, h('button', { type: 'button', class: 'quiet', text: 'Cancel', onclick: () => close(false) }), h('button', { type: 'button', class: 'primary', text: yes, onclick: () => close(true) })));
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function download(url, name) {
  h('a', { href: url, download: name }).click();
}

// The clipboard API exists on https and localhost only; a server in the office network is neither.
export async function copy(text) {
  if (navigator.clipboard) { await navigator.clipboard.writeText(text); return; }
  const field = h('textarea', { style: { position: 'fixed', opacity: '0' } });
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}
