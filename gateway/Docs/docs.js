'use strict';
// Shows /openapi/v1.json. Everything is written with textContent: the document is data, never markup.
const el = (name, props, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (key === 'class') node.className = value; else node.setAttribute(key, value);
  }
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
};

let api;
const resolve = (thing) => thing?.$ref ? thing.$ref.slice(2).split('/').reduce((at, part) => at[part], api) : thing;
const refName = (schema) => schema?.$ref?.split('/').pop();

const typeText = (schema) => {
  if (!schema || schema === true) return 'any';
  if (schema.$ref) return refName(schema);
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' | ');
  const types = [schema.type].flat().filter(Boolean).map((t) => t === 'array' ? `${typeText(schema.items)}[]` : t);
  let text = types.join(' | ') || 'any';
  if (schema.format) text += ` (${schema.format})`;
  if (schema.enum) text = schema.enum.map((v) => JSON.stringify(v)).join(' | ');
  if (schema.default !== undefined) text += `, default ${JSON.stringify(schema.default)}`;
  return text;
};

const typeNode = (schema) => {
  const name = refName(schema) ?? refName(schema?.items) ?? refName(schema?.anyOf?.[0]);
  const text = typeText(schema);
  return name ? el('a', { href: `#schema-${name}`, class: 'type' }, text) : el('span', { class: 'type' }, text);
};

const members = (schema) => el('table', {}, ...Object.entries(schema.properties ?? {}).map(([name, value]) => el('tr', {},
  el('td', {}, el('code', {}, name), (schema.required ?? []).includes(name) ? ' *' : ''),
  el('td', {}, typeNode(value), value.description ? el('div', {}, value.description) : null))));

const media = (content) => Object.entries(content ?? {}).flatMap(([type, value]) => {
  const parts = [el('div', {}, el('code', {}, type), ' ', typeNode(value.schema))];
  if (value.schema?.properties) parts.push(members(value.schema));
  const examples = value.example !== undefined ? { example: { value: value.example } } : value.examples ?? {};
  for (const [name, example] of Object.entries(examples)) {
    parts.push(el('details', {}, el('summary', {}, name), el('pre', {}, JSON.stringify(resolve(example).value, null, 2))));
  }
  return parts;
});

const responses = (all) => Object.entries(all).map(([status, given]) => {
  const response = resolve(given);
  return el('details', {}, el('summary', {}, el('code', {}, status), ' ', response.description), ...media(response.content));
});

const operation = (method, path, op) => {
  const section = el('section', { id: op.operationId },
    el('h3', {}, el('span', { class: 'method' }, method), ' ', el('span', { class: 'path' }, path)),
    el('div', {}, op.summary));
  if (op.description) section.append(el('p', {}, op.description));
  const scope = op.security?.[0]?.bearer?.[0];
  if (scope) section.append(el('div', { class: 'type' }, `Needs a key with scope ${scope}.`));
  const parameters = (op.parameters ?? []).map(resolve);
  if (parameters.length) {
    section.append(el('h4', {}, 'Parameters'), el('table', {}, ...parameters.map((p) => el('tr', {},
      el('td', {}, el('code', {}, p.name), p.required ? ' *' : '', ' ', el('span', { class: 'type' }, p.in)),
      el('td', {}, typeNode(p.schema), el('div', {}, p.description ?? ''))))));
  }
  if (op.requestBody) section.append(el('h4', {}, 'Body'), ...media(op.requestBody.content));
  section.append(el('h4', {}, 'Answers'), ...responses(op.responses));
  for (const [name, paths] of Object.entries(op.callbacks ?? {})) {
    for (const [url, item] of Object.entries(paths)) {
      section.append(el('h4', {}, `Callback ${name} → ${url}`), el('div', {}, item.post.summary), ...media(item.post.requestBody.content));
    }
  }
  return section;
};

const show = () => {
  const nav = document.getElementById('nav'), main = document.getElementById('main');
  main.replaceChildren(el('h1', {}, `${api.info.title} ${api.info.version}`), el('p', {}, api.info.description), el('p', {}, el('a', { href: '/openapi/v1.json' }, 'OpenAPI 3.1 document')));
  const groups = new Map(api.tags.map((t) => [t.name, []]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, op] of Object.entries(item)) groups.get(op.tags[0]).push([method, path, op]);
  }
  for (const tag of api.tags) {
    nav.append(el('h2', {}, tag.name));
    main.append(el('h2', {}, tag.name), el('p', {}, tag.description));
    for (const [method, path, op] of groups.get(tag.name)) {
      nav.append(el('a', { href: `#${op.operationId}` }, el('span', { class: 'method' }, method), el('span', {}, path)));
      main.append(operation(method, path, op));
    }
  }
  nav.append(el('h2', {}, 'Events we send'));
  main.append(el('h2', {}, 'Events we send'));
  for (const [name, item] of Object.entries(api.webhooks)) {
    nav.append(el('a', { href: `#${item.post.operationId}` }, name));
    main.append(operation('post', name, item.post));
  }
  nav.append(el('h2', {}, 'Schemas'));
  main.append(el('h2', {}, 'Schemas'));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    nav.append(el('a', { href: `#schema-${name}` }, name));
    main.append(el('section', { id: `schema-${name}` }, el('h3', {}, name), el('p', {}, schema.description ?? ''), members(schema)));
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
};

fetch('/openapi/v1.json').then((r) => r.json()).then((document_) => { api = document_; show(); }).catch((e) => {
  document.getElementById('main').textContent = `The document could not be read: ${e.message}`;
});
