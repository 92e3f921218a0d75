// Evidence beside the mask: one tab a method, made when it is first looked at.
import { attempt, duration, h, notify, words, when } from '../dom.js';
import { blob, json, picture } from '../api.js';
import { Viewer } from '../viewer.js';
import { MASK_SIDE, opacity, segment, zoomControls } from './picture.js';

const FINDINGS = { nothing_unusual: 'nothing unusual', notable: 'notable', unusual: 'unusual' };
const STATES = { not_applicable: 'does not apply', error: 'failed' };

export function evidencePanel(doc, panel, signal) {
  const { evidence } = doc;
  if (!evidence?.length || !panel) return null;
  const body = h('div', { class: 'evidence', role: 'tabpanel', id: 'evidence-panel', tabindex: '0' });
  const tabs = evidence.map((item, i) => h('button', {
    type: 'button', role: 'tab', id: `evidence-${item.name}`, 'aria-controls': 'evidence-panel', 'aria-selected': String(i === 0), tabindex: i === 0 ? '0' : '-1', onclick: () => select(i),
  }, h('span', { text: item.title ?? item.name }), state(item)));
  let at = 0;

  async function select(i) {
    at = i;
    tabs.forEach((tab, j) => { tab.setAttribute('aria-selected', String(i === j)); tab.tabIndex = i === j ? 0 : -1; });
    tabs[i].scrollIntoView({ block: 'nearest', inline: 'nearest' });
    body.setAttribute('aria-labelledby', tabs[i].id);
    if (evidence[i].state === 'available') {
      body.replaceChildren(h('p', { class: 'soft working', role: 'status', text: 'Looking …' }));
      try { update(i, await json(`/v1/analyses/${doc.id}/evidence/${evidence[i].name}?format=json`, { signal })); } catch (error) {
        if (!signal.aborted && at === i) body.replaceChildren(h('p', { class: 'error', role: 'alert', text: error.message }));
        return;
      }
    }
    if (at === i && !signal.aborted) body.replaceChildren(...shown(evidence[i], doc, panel, signal));
  }

  function update(i, item) {
    evidence[i] = item;
    tabs[i].lastChild.replaceWith(state(item));
  }

  function fill({ items }) {
    for (const item of items) {
      const i = evidence.findIndex((e) => e.name === item.name);
      if (i >= 0 && item.state !== 'available') update(i, item);
    }
    all.hidden = evidence.every((e) => e.state !== 'available');
    return items;
  }

  const all = h('button', { type: 'button', text: 'Look at everything', onclick: attempt(async () => {
    all.disabled = true;
    all.textContent = 'Looking …';
    try {
      const items = fill(await json(`/v1/analyses/${doc.id}/evidence?make=true`, { signal }));
      select(at);
      const odd = items.filter((item) => item.finding === 'unusual').length;
      notify(odd === 0 ? 'Nothing unusual in the evidence.' : `${odd} of ${items.length} look unusual.`);
    } finally { all.disabled = false; all.textContent = 'Look at everything'; }
  }) });
  const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Evidence', onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -at, End: tabs.length - 1 - at }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const to = (at + step + tabs.length) % tabs.length;
    tabs[to].focus();
    select(to);
  } }, tabs);
  const element = h('section', { class: 'card', 'aria-labelledby': 'evidence-title' },
    h('div', { class: 'row spread' }, h('h2', { id: 'evidence-title', text: 'Evidence' }), all),
    h('p', { class: 'small soft', text: 'Classical methods, to judge our judgement by. They do not enter the verdict, and none of them alone proves anything.' }),
    h('div', { class: 'bench' }, list, body));
  // Asked for when somebody scrolls here, not before: what was made already, and the first.
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((e) => e.isIntersecting)) return;
    seen.disconnect();
    if (!body.firstChild) select(at);
    json(`/v1/analyses/${doc.id}/evidence`, { signal }).then(fill).catch(() => {});
  });
  seen.observe(element);
  signal.addEventListener('abort', () => seen.disconnect(), { once: true });
  return element;
}

function state({ state: at, finding }) {
  const text = FINDINGS[finding] ?? STATES[at] ?? '';
  return h('span', { class: `finding ${finding ?? at}`, title: text, text });
}

function shown(item, doc, panel, signal) {
  return [
    h('div', { class: 'row spread' }, h('h3', { text: item.title ?? item.name }), state(item)),
    h('p', { text: item.summary ?? '' }),
    item.map && item.state === 'completed' && maps(item, doc, panel, signal),
    !item.map && item.pairs?.length > 0 && maps(item, doc, panel, signal),
    item.facts?.length > 0 && h('dl', { class: 'facts' }, item.facts.flatMap(({ label, value }) => [h('dt', { text: label }), h('dd', { text: value })])),
    item.similar?.length > 0 && similar(item.similar, signal),
    item.limits && h('p', { class: 'small soft' }, h('strong', { text: 'What it cannot show. ' }), item.limits),
    h('p', { class: 'small soft', text: [item.source, item.duration_ms && `made in ${duration(item.duration_ms)}`].filter(Boolean).join(' · ') }),
  ].filter(Boolean);
}

function maps(item, doc, panel, signal) {
  const { width, height } = doc.image;
  const left = new Viewer(width, height, 'The picture, for comparison');
  const right = new Viewer(width, height, `${item.title}: map`);
  const boxes = [...(item.regions ?? []).map((box) => ({ box, kind: 'region' })),
    ...(item.pairs ?? []).flatMap((pair, i) => [{ box: pair.from, kind: 'from', label: `${i + 1}` }, { box: pair.to, kind: 'to', label: `${i + 1}′${turned(pair)}` }])];
  const lines = (item.pairs ?? []).flatMap((pair) => pair.points);
  for (const viewer of [left, right]) viewer.setMarks(boxes, lines);
  panel.pixels.then((pixels) => left.setPixels(pixels), () => {});
  let map = null;
  const working = h('p', { class: 'small soft', role: 'status', text: 'Drawing the map …' });
  const pair = h('div', { class: 'pair' }, left.element, right.element);
  const slider = opacity(`opacity-${item.name}`, 'Map', 70, (value) => left.setOpacity(value));
  left.setOpacity(0.7);
  const arrange = (mode) => {
    const over = mode === 'over the picture';
    pair.classList.toggle('single', over);
    left.element.classList.toggle('under', over && Boolean(item.map));
    right.element.hidden = over;
    slider.hidden = !over;
    left.setLayer(over && map ? { image: map } : null);
  };
  let mode = matchMedia('(max-width: 860px)').matches ? 'over the picture' : 'side by side';
  if (item.map) {
    blob(`${item.map}?max=${MASK_SIDE}`, signal).then(createImageBitmap).then((bitmap) => {
      map = bitmap;
      right.setPixels({ width, pick: () => bitmap });
      arrange(mode);
      working.hidden = true;
    }).catch((error) => { if (!signal.aborted) working.textContent = error.message; });
  } else {
    working.hidden = true;
    mode = 'over the picture';
  }
  left.link(right);
  arrange(mode);
  const marks = boxes.length > 0 && h('button', { type: 'button', 'aria-pressed': 'true', text: item.pairs?.length ? 'Matches' : 'Boxes', onclick: (event) => {
    const on = event.target.getAttribute('aria-pressed') !== 'true';
    event.target.setAttribute('aria-pressed', String(on));
    for (const viewer of [left, right]) viewer.showMarks(on);
  } });
  return h('div', {}, pair, h('div', { class: 'controls' }, item.map && segment('How the map is shown', ['side by side', 'over the picture'], mode, (chosen) => { mode = chosen; arrange(chosen); }),
    slider, marks, zoomControls(left)), item.legend && legend(item.legend), working);
}

function turned({ scale, rotation }) {
  const parts = [Math.abs(rotation) >= 1 && `${Math.round(rotation)}°`, Math.abs(scale - 1) >= 0.02 && `× ${scale.toFixed(2)}`].filter(Boolean);
  return parts.length > 0 ? ` ${parts.join(', ')}` : '';
}

// The scale is the same for every picture; that is what makes two maps comparable.
function legend({ quantity, colours, categories }) {
  const scale = categories
    ? h('ul', { class: 'plain swatches' }, colours.map(({ colour, label }) => h('li', { class: 'small' }, h('span', { class: 'swatch', 'aria-hidden': 'true', style: { background: colour } }), label)))
    : [h('span', { class: 'scale', 'aria-hidden': 'true', style: { background: `linear-gradient(to right, ${colours.map((c) => c.colour).join(', ')})` } }),
      h('span', { class: 'ticks small soft' }, colours.map((c) => h('span', { text: c.label })))];
  return h('div', { class: 'legend' }, h('span', { class: 'small soft', text: quantity }), scale);
}

function similar(items, signal) {
  return h('ul', { class: 'tiles' }, items.map((s) => {
    const image = h('img', { alt: '' });
    picture(`/v1/analyses/${s.id}/thumbnail?max=320`, signal).then((url) => { image.src = url; }).catch(() => {});
    return h('li', {}, h('a', { href: `#/a/${s.id}` }, image, h('span', { class: 'name', text: `${when(s.created_at)} · ${s.distance === 0 ? 'looks the same' : `${s.distance} of 64 bits differ`}` }),
      s.verdict && h('span', { class: `pill ${s.verdict}`, text: words[s.verdict] })));
  }));
}
