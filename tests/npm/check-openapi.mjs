// Reads {document, exchanges: [{method, path, status, type, body}]} from standard input. Prints what is wrong as JSON: redocly's findings, examples that do not fit
// their schema, and exchanges that the document does not describe.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

let input = '';
for await (const chunk of process.stdin) input += chunk;
const { document, exchanges } = JSON.parse(input);
const here = import.meta.dirname;

async function lint() {
  const folder = await mkdtemp(join(tmpdir(), 'openapi-'));
  try {
    const file = join(folder, 'openapi.json');
    await writeFile(file, JSON.stringify(document, null, 2));
    const cli = join(here, 'node_modules', '@redocly', 'cli', 'bin', 'cli.js');
    const run = promisify(execFile)(process.execPath, [cli, 'lint', file, '--config', join(here, 'redocly.yaml'), '--format', 'json'], {
      env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    });
    const { stdout } = await run.catch((e) => e);
    const report = JSON.parse(stdout);
    return report.problems.map((p) => `${p.severity} ${p.ruleId}: ${p.message} at ${p.location?.[0]?.pointer}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const ajv = new Ajv({ strict: false, allErrors: true });
formats(ajv, ['date-time', 'uri', 'uri-reference']);
ajv.addSchema(document, 'api');
const escape = (part) => part.replaceAll('~', '~0').replaceAll('/', '~1');
const compiled = new Map();
function check(pointer, value) {
  if (!compiled.has(pointer)) compiled.set(pointer, ajv.compile({ $ref: `api#${pointer.split('/').map(encodeURIComponent).join('/')}` }));
  const validate = compiled.get(pointer);
  return validate(value) ? [] : validate.errors.map((e) => `${e.instancePath || '/'} ${e.message}`);
}

const wrongExamples = [];
(function walk(node, pointer) {
  if (node === null || typeof node !== 'object') return;
  if (node.schema) {
    const named = 'example' in node ? { example: { value: node.example } } : node.examples ?? {};
    for (const [name, { value }] of Object.entries(named)) {
      for (const error of check(`${pointer}/schema`, value)) wrongExamples.push(`${pointer} ${name}: ${error}`);
    }
  }
  for (const [key, child] of Object.entries(node)) walk(child, `${pointer}/${escape(key)}`);
})(document, '');

const templates = Object.keys(document.paths).map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/[.]/g, '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`) }));
function describe({ method, path, status, type, body }) {
  // A literal path wins over one with a parameter.
  const template = templates.filter((t) => t.pattern.test(path)).sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
  const operation = template && document.paths[template.path][method.toLowerCase()];
  if (!operation) return ['not described'];
  let pointer = `/paths/${escape(template.path)}/${method.toLowerCase()}/responses/${status}`;
  let response = operation.responses[status];
  if (response?.$ref) {
    pointer = response.$ref.slice(1);
    response = pointer.slice(1).split('/').reduce((at, part) => at[part], document);
  }
  if (!response) return [`status ${status} is not described`];
  if (!type) return response.content && body ? ['no content type'] : [];
  if (!response.content?.[type]) return [`${type} is not described for ${status}`];
  return type.endsWith('json') ? check(`${pointer}/content/${escape(type)}/schema`, JSON.parse(body)) : [];
}

const wrongExchanges = exchanges.flatMap((e) => describe(e).map((error) => `${e.method} ${e.path} ${e.status}: ${error}`));
console.log(JSON.stringify({ lint: await lint(), examples: wrongExamples, exchanges: wrongExchanges }));
