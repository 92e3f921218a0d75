// Rows of analyses, as history and batches show them.
import { h, percent, words } from '../dom.js';
import { picture } from '../api.js';

// Thumbnails are fetched when their row comes into view.
export function thumbnails(signal) {
  const waiting = new Map();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || !waiting.has(target)) continue;
      observer.unobserve(target);
      picture(`/v1/analyses/${waiting.get(target)}/thumbnail?max=160`, signal).then((url) => { target.src = url; }).catch(() => {});
      waiting.delete(target);
    }
  }, { rootMargin: '200px' });
  signal.addEventListener('abort', () => observer.disconnect(), { once: true });
  return (id) => {
    const image = h('img', { class: 'thumb', alt: '', src: 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=' });
    if (id) { waiting.set(image, id); observer.observe(image); }
    return image;
  };
}

export function entry({ id, image, name, detail, status, verdict, score, error }) {
  const inside = [image, h('span', { class: 'what' }, h('span', { class: 'name', text: name }), h('span', { class: 'small soft', text: error ? error.detail : detail })),
    h('span', { class: `pill ${verdict ?? (error ? 'failed' : status)}`, text: verdict ? words[verdict] : status }), h('span', { class: 'score', text: percent(score) })];
  return h('li', {}, id ? h('a', { class: 'entry', href: `#/a/${id}` }, inside) : h('div', { class: 'entry' }, inside));
}
