// Everything Palimpsest is built from, read from the lock files and from the packages themselves: NuGet, npm, and the models we train.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const packages = process.env.NUGET_PACKAGES ?? join(homedir(), '.nuget', 'packages');

// Packages whose metadata name a page instead of an SPDX identifier, by the page they name. Read on 2026-11-22.
const pages = {
  'http://go.microsoft.com/fwlink/?LinkId=329770': 'MS-.NET-Library-License',
  'https://www.adobe.com/devnet/xmp/library/eula-xmp-library-java.html': 'BSD-3-Clause',
};

/** All components: { kind, name, version, licence, hash: { alg, content }, scope, purl }. */
export function components() {
  // What is required wins over the same thing as a part of something optional.
  const all = new Map();
  for (const c of [...nuget(), ...npm('services/shared/native'), ...npm('services/shared/native/cuda', 'optional'), ...models(join(root, 'models')), ...models(join(root, 'models/blazeface'))]) if (!all.has(c.purl)) all.set(c.purl, c);
  return [...all.values()].sort((a, b) => a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name));
}

/** Lock files of what ships: everything but the tests. */
export function lockFiles(folder = root) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === 'packages.lock.json') return [path];
    return ['node_modules', 'artifacts', 'tests', 'training', 'bin', 'obj'].includes(name) || name.startsWith('.') || !statSync(path).isDirectory() ? [] : lockFiles(path);
  });
}

function nuget() {
  const buildOnly = new Set([...read('Directory.Build.props').matchAll(/PackageReference Include="([^"]+)" PrivateAssets="all"/g)].map((m) => m[1]));
  const found = new Map();
  const add = (name, version, hash) =>
    found.set(`${name}@${version}`, {
      kind: 'nuget', name, version, licence: nugetLicence(name, version), scope: buildOnly.has(name) ? 'excluded' : 'required',
      hash: hash && { alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }, purl: `pkg:nuget/${name}@${version}`,
    });
  for (const file of lockFiles()) {
    for (const framework of Object.values(JSON.parse(readFileSync(file, 'utf8')).dependencies)) {
      for (const [name, entry] of Object.entries(framework)) if (entry.type !== 'Project') add(name, entry.resolved, entry.contentHash);
    }
  }
  // Taken without its dependencies, so no lock file knows it.
  for (const [, name, version] of read('gateway/Palimpsest.Gateway.csproj').matchAll(/PackageDownload Include="([^"]+)" Version="\[([^\]]+)\]"/g)) {
    const sha = join(packages, name.toLowerCase(), version, `${name.toLowerCase()}.${version}.nupkg.sha512`);
    add(name, version, existsSync(sha) ? readFileSync(sha, 'utf8').trim() : undefined);
  }
  return [...found.values()];
}

function nugetLicence(name, version) {
  const folder = join(packages, name.toLowerCase(), version.toLowerCase());
  const spec = join(folder, `${name.toLowerCase()}.nuspec`);
  if (!existsSync(spec)) return null;
  const text = readFileSync(spec, 'utf8');
  const expression = /<license type="expression">([^<]+)</.exec(text)?.[1];
  const file = /<license type="file">([^<]+)</.exec(text)?.[1];
  const url = /<licenseUrl>([^<]+)</.exec(text)?.[1];
  return expression ?? (file ? byText(join(folder, ...file.split(/[\\/]/))) : null) ?? pages[url] ?? (url?.includes('github.com') ? byRepository(url) : null);
}

function npm(folder, scope = 'required') {
  const lock = JSON.parse(read(`${folder}/package-lock.json`));
  return Object.entries(lock.packages).filter(([path, entry]) => path.startsWith('node_modules/')).map(([path, entry]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const [algorithm, hash] = entry.integrity?.split('-') ?? [];
    return {
      kind: 'npm', name, version: entry.version, scope, licence: entry.license ?? byText(join(root, folder, path, 'LICENSE')) ?? sibling(name),
      hash: algorithm === 'sha512' ? { alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') } : undefined,
      purl: `pkg:npm/${name.replace('@', '%40')}@${entry.version}`,
    };
  });
}

// The CUDA providers come from the project of the CPU package, whose licence file is here when they are not.
const sibling = (name) => (name.startsWith('com.github.asus4.onnxruntime.') ? byText(join(root, 'services/shared/native/node_modules/com.github.asus4.onnxruntime/LICENSE')) : null);

function models(folder) {
  return readdirSync(folder).filter((f) => f.endsWith('.json') && existsSync(join(folder, f.replace('.json', '.onnx')))).map((file) => {
    const model = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const licences = [model.card?.licences ?? model.licences ?? model.card?.licence ?? []].flat();
    return {
      kind: 'model', name: model.name, version: model.version, scope: 'required', licence: licences.map((l) => (typeof l === 'string' ? l : Object.values(l).join(': '))).join('; ') || null,
      hash: { alg: 'SHA-256', content: model.sha256 }, purl: `pkg:generic/palimpsest/${model.name}@${model.version}`,
    };
  });
}

function byText(path) {
  if (!existsSync(path)) return null;
  const text = readFileSync(path, 'utf8');
  if (/SQLite is Public Domain/.test(text)) return 'blessing'; // SPDX's name for SQLite's dedication
  if (/Apache License\s+Version 2\.0/.test(text)) return 'Apache-2.0';
  if (/Permission is hereby granted, free of charge/.test(text)) return 'MIT';
  if (/Redistribution and use in source and binary forms/.test(text)) return /endorse or promote/.test(text) ? 'BSD-3-Clause' : 'BSD-2-Clause';
  return null;
}

// Old packages that only name their repository's licence file.
const byRepository = (url) => ({ 'https://raw.github.com/StackExchange/StackExchange.Redis/master/LICENSE': 'MIT' })[url] ?? null;

const read = (path) => readFileSync(join(root, path), 'utf8');
