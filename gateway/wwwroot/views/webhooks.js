import { h, notify, when } from '../dom.js';
import { call, json } from '../api.js';

const send = (path, method, body) => call(path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body ? JSON.stringify(body) : undefined });

export async function webhooks(signal) {
  const page = h('div');
  async function refresh(secret) {
    const [endpoints, deliveries] = await Promise.all([json('/v1/webhook-endpoints', { signal }), json('/v1/webhook-deliveries', { signal })]);
    page.replaceChildren(h('h1', { text: 'Webhooks' }), secret && h('div', { class: 'card verdict uncertain' }, h('h2', { text: 'Signing secret, shown once' }), h('pre', { tabindex: '0', text: secret })), form(refresh), list(endpoints.items ?? endpoints.data ?? endpoints, refresh), log(deliveries.items ?? deliveries.data ?? deliveries, refresh));
  }
  await refresh();
  return page;
}

function form(refresh) {
  const url = h('input', { type: 'url', id: 'endpoint', required: true, placeholder: 'https://example.org/hook' });
  const element = h('form', { class: 'card row' }, h('label', { for: 'endpoint', text: 'New endpoint' }), h('div', { class: 'grow' }, url), h('button', { type: 'submit', class: 'primary', text: 'Add' }));
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    try { const made = await (await send('/v1/webhook-endpoints', 'POST', { url: url.value })).json(); await refresh(made.secret); } catch (error) { notify(error.message); }
  });
  return element;
}

function list(endpoints, refresh) {
  const act = (text, action) => h('button', { type: 'button', class: 'quiet', text, onclick: async () => { try { const r = await action(); const body = r.status === 204 ? null : await r.json().catch(() => null); await refresh(body?.secret); notify('Done.'); } catch (error) { notify(error.message); } } });
  if (!endpoints.length) return h('p', { class: 'soft', text: 'No endpoints. An analysis can also name its own callback_url.' });
  return h('div', { class: 'card scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ['Endpoint', 'State', ''].map((text) => h('th', { text })))),
    h('tbody', {}, endpoints.map((e) => h('tr', {}, h('td', { text: e.url }), h('td', {}, h('span', { class: `pill ${e.disabled_at ? 'failed' : 'ready'}`, text: e.disabled_at ? 'disabled' : 'enabled' }), e.disabled_reason && h('div', { class: 'small soft', text: e.disabled_reason })),
      h('td', { class: 'row' }, act('Test', () => send(`/v1/webhook-endpoints/${e.id}/test`, 'POST')), act('Rotate secret', () => send(`/v1/webhook-endpoints/${e.id}/rotate-secret`, 'POST')), act('Delete', () => send(`/v1/webhook-endpoints/${e.id}`, 'DELETE'))))))));
}

function log(deliveries, refresh) {
  return h('div', { class: 'card scroll' }, h('h2', { text: 'Delivery log' }), deliveries.length === 0 ? h('p', { class: 'soft', text: 'Nothing sent yet.' }) : h('table', {},
    h('thead', {}, h('tr', {}, ['Event', 'To', 'State', 'Attempts', 'When', ''].map((text) => h('th', { text })))),
    h('tbody', {}, deliveries.map((d) => h('tr', {}, h('td', { text: d.event ?? d.type }), h('td', { class: 'small', text: d.url }), h('td', {}, h('span', { class: `pill ${d.state}`, text: d.state }), h('div', { class: 'small soft', text: d.last_error ?? (d.last_status ? `HTTP ${d.last_status}` : '') })), h('td', { text: d.attempts }), h('td', { text: when(d.created_at) }),
      h('td', {}, h('button', { type: 'button', class: 'quiet', text: 'Send again', onclick: async () => { try { await send(`/v1/webhook-deliveries/${d.id}/redeliver`, 'POST'); await refresh(); notify('Queued again.'); } catch (error) { notify(error.message); } } })))))));
}
