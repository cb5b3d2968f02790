/**
 * Runs one resource of a built plug-in for a worker: `plugin-child.js <module> <function>`. The request comes as JSON on
 * standard input, the answer goes to file descriptor 3; both are those of python/plumbline/child.py.
 */
import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import type { Source, SourceRow } from '../../model/define-source.js';
import type { Json, JsonObject } from '../../model/project.js';
import { describeProgramError } from './describe-error.js';
import { isPlain, nameOf, openRowEncoder } from './encode-row.js';

const BUFFER_CHARACTERS = 1 << 16;
const [module, name] = process.argv.slice(2) as [string, string];
const encoder = openRowEncoder();
const cancelled = new AbortController();
let buffered = '';
let told = '{}';
let isLeaving = false;

process.once('SIGTERM', () => {
  cancelled.abort();
  // Time for a `finally`; the worker's own patience ends a little later.
  setTimeout(() => process.exit(143), 2_000);
});
process.on('uncaughtException', (error) => void fail(error));
process.on('unhandledRejection', (error) => void fail(error));
await run().then(() => leave(0), fail);

async function run(): Promise<void> {
  const request = JSON.parse(await text(process.stdin)) as { resource: string; config: JsonObject; state: Json };
  const plugin = ((await import(pathToFileURL(module).href)) as { default?: Source }).default ?? {};
  const resource = plugin[name];
  if (typeof resource !== 'function')
    throw new Error(
      `its default export has no function ${name}; it has ${Object.keys(plugin).sort().join(', ') || 'none'}`,
    );
  const rows = resource({
    resource: request.resource,
    config: request.config,
    state: request.state ?? undefined,
    checkpoint,
    signal: cancelled.signal,
  });
  for await (const given of rows) for (const row of [given].flat()) addRow(row);
  tellColumns();
  write('["done"]\n');
  flush();
}

function addRow(row: unknown): void {
  if (!isRow(row))
    throw new TypeError(`expected a row as an object, or a list of them, got ${nameOf(row)}: ${shown(row)}`);
  write(`${encoder.encode(row as SourceRow)}\n`);
}

/** What has no keys, as a Map, a Date, an iterator or a promise, would be a row without a value. */
function isRow(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) return false;
  return Object.keys(value).length > 0 || isPlain(value);
}

function shown(value: unknown): string {
  return inspect(value, { depth: 1, breakLength: Infinity }).slice(0, 80);
}

function checkpoint(state: Json): void {
  if (state === undefined || state === null)
    throw new TypeError('a checkpoint says where to go on, so it cannot be null');
  tellColumns();
  // As JSON has it: it is read as that again.
  write(`["checkpoint",${JSON.stringify(state)}]\n`);
  flush();
}

function tellColumns(): void {
  const columns = JSON.stringify(encoder.columns());
  if (columns === told) return;
  told = columns;
  write(`["columns",${columns}]\n`);
}

function write(line: string): void {
  buffered += line;
  if (buffered.length >= BUFFER_CHARACTERS) flush();
}

/** Waits when the worker does: the pipe is a blocking one. */
function flush(): void {
  let rest = Buffer.from(buffered);
  buffered = '';
  while (rest.length > 0) rest = rest.subarray(writeSync(3, rest));
}

async function fail(error: unknown): Promise<void> {
  if (isLeaving) return;
  write(`${JSON.stringify(['error', describeProgramError(error, process.cwd())])}\n`);
  flush();
  await leave(1);
}

/** Ends it, whatever is still open, once all is written that it has printed. */
async function leave(exitCode: number): Promise<void> {
  isLeaving = true;
  const printed = [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve)));
  await Promise.all(printed);
  process.exit(exitCode);
}
