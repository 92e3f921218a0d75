// The REST API as this page uses it. EventSource and <img> cannot send a key, so events are read by fetch and pictures shown as blob: URLs.
const KEY = 'palimpsest-key';

export const key = () => localStorage.getItem(KEY) ?? '';
export const setKey = (value) => value ? localStorage.setItem(KEY, value) : localStorage.removeItem(KEY);

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.traceId = body?.traceId;
  }
}

export async function call(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key()) headers.set('Authorization', `Bearer ${key()}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { detail: 'The server cannot be reached. Is it running?', code: 'unreachable' });
  }
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    const problem = new Problem(response.status, body);
    if (response.status === 401) document.dispatchEvent(new CustomEvent('need-key'));
    throw problem;
  }
  return response;
}

export const json = async (path, options) => (await call(path, options)).json();

export async function picture(path, signal) {
  return URL.createObjectURL(await (await call(path, { signal })).blob());
}

export async function submit(file, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  form.append('image', file, file.name || 'pasted.png');
  return json('/v1/analyses', { method: 'POST', body: form });
}

export const submitUrl = (url, options) => json('/v1/analyses', {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ url, ...options }),
});

export async function submitBatch(files, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  for (const file of files) form.append('image', file, file.name);
  return json('/v1/batches', { method: 'POST', body: form });
}

// Follows an analysis to its end; resumes after a break with Last-Event-ID.
export async function follow(id, onChange, signal) {
  let last = null;
  for (let failures = 0; failures < 8;) {
    try {
      const response = await call(`/v1/analyses/${id}/events`, { signal, headers: last ? { 'Last-Event-ID': last } : {} });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let buffer = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        failures = 0;
        buffer += value.replace(/\r\n/g, '\n');
        for (let end; (end = buffer.indexOf('\n\n')) >= 0; buffer = buffer.slice(end + 2)) {
          const event = { event: 'message', data: '' };
          for (const line of buffer.slice(0, end).split('\n')) {
            if (line.startsWith('id:')) last = line.slice(3).trim();
            else if (line.startsWith('event:')) event.event = line.slice(6).trim();
            else if (line.startsWith('data:')) event.data += line.slice(5).trim();
          }
          if (event.data) onChange(JSON.parse(event.data));
          if (event.event === 'completed' || event.event === 'failed') return;
        }
      }
    } catch (error) {
      if (signal?.aborted || (error instanceof Problem && error.status >= 400 && error.status < 500)) throw error;
    }
    failures++;
    await new Promise((resolve) => setTimeout(resolve, 500 * failures));
  }
}
