// Small helpers to build the page: text is always set as text, never as markup.
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (name === 'text') node.textContent = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const percent = (value, digits = 0) => value === null || value === undefined ? '–' : `${(value * 100).toFixed(digits)} %`;

export const when = (text) => text ? new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : '–';

export const bytes = (count) => count > 1e6 ? `${(count / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(count / 1e3))} kB`;

let timer;
export function notify(text) {
  const box = document.getElementById('notice');
  box.textContent = text;
  box.classList.add('show');
  clearTimeout(timer);
  timer = setTimeout(() => box.classList.remove('show'), 4000);
}

export const words = { likely_fake: 'Likely manipulated', likely_real: 'Likely real', uncertain: 'Uncertain' };
