// Webhook endpoints and the delivery log.
import { ask, attempt, copy, h, notify, plural, when } from '../dom.js';
import { json, post } from '../api.js';

export async function webhooks(signal) {
  const page = h('div');
  async function refresh(secret) {
    const [endpoints, deliveries] = await Promise.all([json('/v1/webhook-endpoints', { signal }), json('/v1/webhook-deliveries', { signal })]);
    page.replaceChildren(...[h('h1', { text: 'Webhooks' }), h('p', { class: 'soft', text: 'Signed messages to your own systems when an analysis or a batch ends.' }),
      secret && shownOnce(secret), form(refresh), list(endpoints.items, refresh), log(deliveries.items, refresh)].filter(Boolean));
  }
  await refresh();
  return page;
}

function shownOnce(secret) {
  return h('div', { class: 'card verdict uncertain', role: 'status' }, h('h2', { text: 'Signing secret, shown once' }), h('pre', { tabindex: '0', text: secret }),
    h('p', {}, h('button', { type: 'button', text: 'Copy', onclick: attempt(async () => { await copy(secret); notify('Copied.'); }) })));
}

function form(refresh) {
  const url = h('input', { type: 'url', id: 'endpoint', required: true, placeholder: 'https://example.org/hook' });
  const error = h('p', { class: 'error', role: 'alert' });
  const element = h('form', { class: 'card' }, h('div', { class: 'row' }, h('label', { for: 'endpoint', text: 'New endpoint' }), h('div', { class: 'grow' }, url), h('button', { type: 'submit', class: 'primary', text: 'Add' })), error);
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    error.textContent = '';
    try {
      const made = await (await post('/v1/webhook-endpoints', { url: url.value })).json();
      await refresh(made.secret);
    } catch (problem) { error.textContent = problem.message; }
  });
  return element;
}

function list(endpoints, refresh) {
  const act = (text, said, action) => h('button', { type: 'button', class: 'quiet', text, onclick: attempt(async () => {
    const response = await action();
    if (!response) return;
    const body = response.status === 204 ? null : await response.json().catch(() => null);
    await refresh(body?.secret);
    notify(said);
  }) });
  if (endpoints.length === 0) return h('p', { class: 'soft', text: 'No endpoints. An analysis can also name its own callback_url.' });
  return h('ul', { class: 'entries', 'aria-label': 'Endpoints' }, endpoints.map((e) => h('li', { class: 'entry endpoint' },
    h('span', { class: 'what' }, h('span', { class: 'name', text: e.url }),
      h('span', { class: 'small soft', text: e.disabled_reason ?? (e.failing_since ? `failing since ${when(e.failing_since)}` : e.events.length ? e.events.join(', ') : 'all events') })),
    h('span', { class: `pill ${e.enabled ? 'ready' : 'failed'}`, text: e.enabled ? 'enabled' : 'disabled' }),
    h('span', { class: 'row tight' },
      act('Test', 'A test message is on its way.', () => post(`/v1/webhook-endpoints/${e.id}/test`)),
      act(e.enabled ? 'Disable' : 'Enable', 'Changed.', () => post(`/v1/webhook-endpoints/${e.id}`, { enabled: !e.enabled }, 'PATCH')),
      act('New secret', 'The old secret stays valid for a while.', () => post(`/v1/webhook-endpoints/${e.id}/rotate-secret`)),
      act('Delete', 'Deleted.', async () => await ask('Delete this endpoint?', `${e.url} gets no more messages.`, 'Delete') && post(`/v1/webhook-endpoints/${e.id}`, null, 'DELETE'))))));
}

function log(deliveries, refresh) {
  const outcome = (d) => d.last_error ?? (d.last_status ? `HTTP ${d.last_status}` : '');
  return h('section', { 'aria-labelledby': 'log' }, h('div', { class: 'row spread head' }, h('h2', { id: 'log', text: 'Delivery log' }), h('button', { type: 'button', text: 'Refresh', onclick: attempt(() => refresh()) })),
    deliveries.length === 0 ? h('p', { class: 'soft', text: 'Nothing sent yet.' }) : h('ul', { class: 'entries', 'aria-label': 'Deliveries' }, deliveries.map((d) => h('li', { class: 'entry endpoint' },
      h('span', { class: 'what' }, h('span', { class: 'name', text: d.event }), h('span', { class: 'small soft', text: `${d.url} · ${when(d.created_at)} · ${plural(d.attempts, 'attempt')}${outcome(d) && ` · ${outcome(d)}`}${d.next_attempt_at ? ` · next ${when(d.next_attempt_at)}` : ''}` })),
      h('span', { class: `pill ${d.state}`, text: d.state }),
      h('span', { class: 'row tight' }, d.analysis_id && h('a', { class: 'button quiet', href: `#/a/${d.analysis_id}`, text: 'Analysis' }),
        h('button', { type: 'button', class: 'quiet', text: 'Send again', onclick: attempt(async () => { await post(`/v1/webhook-deliveries/${d.id}/redeliver`); await refresh(); notify('Queued again.'); }) }))))));
}
