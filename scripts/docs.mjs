// Writes docs/reference/{cli,errors,config}.md from the code that is built, so that they say what it does.
// `--check` compares instead and names what differs.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, root } from './install.mjs';

ensureInstalled();
ensureBuilt();
const pages = { 'cli.md': await cliPage(), 'errors.md': await errorsPage(), 'config.md': await configPage() };
const stale = [];
for (const [name, text] of Object.entries(pages)) {
  const path = join(root, 'docs', 'reference', name);
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (read(path) !== text) stale.push(`docs/reference/${name}`);
}
if (stale.length > 0) {
  console.error(`${stale.join(', ')} differ from the code; run \`npm run docs\`.`);
  process.exit(1);
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function cliPage() {
  const { Command } = await load('node_modules/commander/esm.mjs');
  const commands = await load('dist/cli/commands/index.js');
  const program = new Command('plumbline');
  for (const register of Object.values(commands)) register(program);
  const lines = [
    '# Command line',
    '',
    'Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 PostgreSQL, Temporal, a worker or serving cannot be reached, 130 interrupted.',
    'Errors are three lines on stderr; `--verbose` adds the stack; with `--json` the error is one JSON object on stdout,',
    'for a run that ended badly with its `runId`, `status` and `kept` (steps `done` `of` all).',
    '',
  ];
  const visit = (command, path) => {
    const children = command.commands.filter((child) => !child._hidden);
    if (children.length > 0) {
      lines.push(`## ${path}`, '', sentence(command.description()), '');
      for (const child of children) visit(child, `${path} ${child.name()}`);
      return;
    }
    const depth = path.split(' ').length > 2 ? '###' : '##';
    lines.push(
      `${depth} ${path}`,
      '',
      sentence(command.description()),
      '',
      '```',
      `${path} ${command.usage()}`.trim(),
      '```',
      '',
    );
    const rows = [
      ...command.registeredArguments.map((one) => [
        `\`${one.required ? `<${one.name()}>` : `[${one.name()}]`}\``,
        one.description,
        '',
      ]),
      ...command.options
        .filter((one) => !one.hidden)
        .map((one) => [
          `\`${one.flags}\``,
          one.description,
          one.defaultValue === undefined || one.defaultValue === false ? '' : `\`${one.defaultValue}\``,
        ]),
    ].filter(([, description]) => description !== undefined);
    if (rows.length > 0) lines.push(table(['', 'meaning', 'default'], rows), '');
  };
  for (const command of program.commands.filter((child) => !child._hidden))
    visit(command, `plumbline ${command.name()}`);
  return `${lines.join('\n').trimEnd()}\n`;
}

async function errorsPage() {
  const lines = [
    '# Errors',
    '',
    'Every error has a stable code. A *terminal* error stays wrong however often it is tried; a *transient* one is retried by itself.',
    'Errors in your own files name the file and line.',
    '',
  ];
  for (const [title, file] of errorModules()) {
    const module = await load(file);
    for (const [name, codes] of Object.entries(module)) {
      if (!name.endsWith('ErrorCodes')) continue;
      const rows = Object.entries(codes).map(([code, meaning]) => [`\`${code}\``, meaning]);
      lines.push(
        `## ${name === 'runErrorCodes' ? 'run' : title}`,
        '',
        table(['code', 'what it means and what to do'], rows),
        '',
      );
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function errorModules() {
  const folders = readdirSync(join(root, 'dist'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const found = folders
    .map((entry) => [entry.name, `dist/${entry.name}/errors.js`])
    .filter(([, file]) => read(join(root, file)) !== '');
  return [['configuration', 'dist/config.js'], ...found.sort()];
}

async function configPage() {
  const schema = JSON.parse(readFileSync(join(root, 'schema', 'plumbline.schema.json'), 'utf8'));
  const lines = [
    '# plumbline.yaml',
    '',
    'One file says what a project is. Unknown keys are errors that name the nearest key. Editors check the file by',
    '`schema/plumbline.schema.json`, which `plumbline init` puts beside it. `<name>` is a name of your own, `[]` an entry of a list.',
    '',
  ];
  for (const [key, node] of Object.entries(schema.properties)) {
    const rows = keyRows(schema, node, key);
    lines.push(`## ${key}`, '', table(['key', 'type', 'default', 'meaning'], rows), '');
  }
  const { z } = await import('zod');
  const headers = await load('dist/project/schema/headers.js');
  lines.push(
    '## Headers of SQL files',
    '',
    'SQL files carry their settings as `-- key: value` lines at the top, read as YAML. Other comment lines there are prose.',
    '',
  );
  for (const [title, name] of [
    ['sql/*.sql', 'transformHeader'],
    ['features/*.sql', 'featureHeader'],
    ['The file that `train.labels` names', 'labelsHeader'],
  ]) {
    const header = z.toJSONSchema(headers[name], { io: 'input' });
    const rows = Object.entries(header.properties).map(([key, node]) => {
      const needed = header.required?.includes(key) ? 'needed' : '';
      return [`\`${key}\``, typeOf(node), needed, node.description ?? ''];
    });
    lines.push(`### ${title}`, '', table(['key', 'type', '', 'meaning'], rows), '');
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The key itself and all below it; what a resource shares with its source stands there once. */
function keyRows(schema, top, name) {
  const rows = [];
  const seen = new Map();
  const resolve = (node) => (node.$ref === undefined ? node : schema.$defs[node.$ref.split('/').pop()]);
  const visit = (node, path) => {
    if (/\.resources\.<name>\./.test(path)) return;
    const resolved = resolve(node);
    const [meaning, fallback] = splitDefault(node.description ?? resolved.description ?? '');
    const former = seen.get(path);
    if (former !== undefined && resolved.const !== undefined) former[1] += `, ${typeOf(resolved)}`;
    // A name of the user's own says nothing by itself.
    if (former === undefined && !(path.endsWith('<name>') && meaning === '')) {
      const row = [`\`${path}\``, typeOf(resolved), fallback, meaning];
      seen.set(path, row);
      rows.push(row);
    }
    children(resolved, path);
  };
  const children = (node, path) => {
    const resolved = resolve(node);
    for (const part of resolved.anyOf ?? resolved.oneOf ?? []) children(part, path);
    for (const [key, child] of Object.entries(resolved.properties ?? {})) visit(child, `${path}.${key}`);
    const { additionalProperties, items } = resolved;
    if (typeof additionalProperties === 'object' && Object.keys(additionalProperties).length > 0)
      visit(additionalProperties, `${path}.<name>`);
    if (items !== undefined && !Array.isArray(items)) children(items, `${path}[]`);
  };
  visit(top, name);
  return rows;
}

/** `A share. Default: 1%.` → the meaning, the default. */
function splitDefault(description) {
  const match = /^(.*?)\s*Default: (.*?)\.(?:\s+(.*))?$/.exec(description);
  if (match === null) return [description, ''];
  return [[match[1], match[3]].filter(Boolean).join(' '), match[2]];
}

function typeOf(node) {
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(', ');
  const choices = node.anyOf ?? node.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(' or ');
  return Array.isArray(node.type) ? node.type.join(' or ') : (node.type ?? 'any');
}

function table(head, rows) {
  const cell = (value) =>
    String(value ?? '')
      .replaceAll('|', '\\|')
      .replaceAll('\n', ' ');
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function load(file) {
  return import(pathToFileURL(join(root, file)).href);
}
