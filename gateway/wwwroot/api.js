// The REST API as this page uses it. EventSource and <img> cannot send a key, so events are read by fetch and pictures shown as blob: URLs.
const KEY = 'palimpsest-key';

export const key = () => localStorage.getItem(KEY) ?? '';
export const setKey = (value) => value ? localStorage.setItem(KEY, value) : localStorage.removeItem(KEY);

// Set by the page: asks for a key, resolves to true when there is a new one.
export const login = { ask: async () => false };

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.traceId = body?.traceId;
  }
}

async function send(path, options) {
  const headers = new Headers(options.headers);
  if (key()) headers.set('Authorization', `Bearer ${key()}`);
  try {
    return await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { detail: 'The server cannot be reached. Is it running?', code: 'unreachable' });
  }
}

// Without a valid key the page asks for one and then goes on with what was wanted: a dropped picture is not lost.
export async function call(path, { quiet = false, ...options } = {}) {
  let response = await send(path, options);
  if (response.status === 401 && !quiet && await login.ask()) response = await send(path, options);
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => null));
  return response;
}

export const json = async (path, options) => (await call(path, options)).json();

export const post = (path, body, method = 'POST') => call(path, {
  method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body ? JSON.stringify(body) : undefined,
});

// A picture that has to be drawn may have to wait for its turn.
export async function blob(path, signal) {
  for (let tries = 1; ; tries++) {
    try { return await (await call(path, { signal })).blob(); } catch (error) { if (error.code !== 'overloaded' || tries === 4) throw error; }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

// An address for <img>; freed when the view is left.
export async function picture(path, signal) {
  const url = URL.createObjectURL(await blob(path, signal));
  signal?.addEventListener('abort', () => URL.revokeObjectURL(url), { once: true });
  return url;
}

function form(options, files) {
  const data = new FormData();
  for (const [name, value] of Object.entries(options)) data.append(name, String(value));
  for (const file of files) data.append('image', file, file.name || 'pasted.png');
  return data;
}

export const submit = (file, options, signal) => json('/v1/analyses', { method: 'POST', body: form(options, [file]), signal });

export const submitBatch = (files, options, signal) => json('/v1/batches', { method: 'POST', body: form(options, files), signal });

export const submitUrl = async (url, options) => (await post('/v1/analyses', { url, ...options })).json();

// Follows an analysis to its end; resumes after a break with Last-Event-ID.
export async function follow(id, onChange, signal) {
  let last = null;
  for (let failures = 0; failures < 8;) {
    try {
      const response = await call(`/v1/analyses/${id}/events`, { signal, headers: last ? { 'Last-Event-ID': last } : {} });
      if (response.status === 204) return;
      for await (const event of events(response.body)) {
        failures = 0;
        last = event.id ?? last;
        onChange(JSON.parse(event.data));
        if (event.event === 'completed' || event.event === 'failed') return;
      }
    } catch (error) {
      if (signal?.aborted || (error instanceof Problem && error.status >= 400 && error.status < 500)) throw error;
    }
    failures++;
    await new Promise((resolve) => setTimeout(resolve, 500 * failures));
  }
  throw new Problem(0, { detail: 'The connection to the server keeps breaking. Reload to see how far it is.', code: 'unreachable' });
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value.replace(/\r\n/g, '\n');
    for (let end; (end = buffer.indexOf('\n\n')) >= 0; buffer = buffer.slice(end + 2)) {
      const event = { event: 'message', data: '' };
      for (const line of buffer.slice(0, end).split('\n')) {
        if (line.startsWith('id:')) event.id = line.slice(3).trim();
        else if (line.startsWith('event:')) event.event = line.slice(6).trim();
        else if (line.startsWith('data:')) event.data += line.slice(5).trim();
      }
      if (event.data) yield event;
    }
  }
}
