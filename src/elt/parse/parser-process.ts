/**
 * Started by parse-objects.ts: `parser-process.js <module> <file of rows>`. Reads one ParserJob a line from standard input, writes the
 * rows of each object as NDJSON into the file, and says on file descriptor 3 what became of it. An object whose parser throws
 * leaves one line, which is no JSON object, in place of all its rows.
 */
import { ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import type { ParsedRow, Parser, RawObject } from '../../model/parser.js';
import type { ParserJob, ParserOutcome } from './parser-job.js';
import { rowText } from './row-text.js';

const BLOCK_BYTES = 1 << 18;
/** A parser that never ends is not written for ever. */
const MAX_OBJECT_BYTES = 8 * 1024 ** 3;

const [file, rowsFile] = process.argv.slice(2) as [string, string];
const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: unknown };
if (typeof module.default !== 'function') throw new TypeError(`${file} has no default export that is a function.`);
const parse = module.default as Parser;

const rows = openSync(rowsFile, 'w');
let end = 0;
async function parseObject(job: ParserJob): Promise<ParserOutcome> {
  const start = end;
  let count = 0;
  let block: string[] = [];
  let blockBytes = 0;
  const flush = (): void => {
    end += write(Buffer.from(block.join('')), end);
    if (end - start > MAX_OBJECT_BYTES) throw new RangeError('it gave more than 8 GiB of rows');
    block = [];
    blockBytes = 0;
  };
  try {
    for await (const row of rowsOf(objectOf(job))) {
      count++;
      const line = `${rowText(row, count, job.columns)}\n`;
      block.push(line);
      blockBytes += line.length;
      if (blockBytes > BLOCK_BYTES) flush();
    }
    flush();
    return { rows: count };
  } catch (error) {
    if (error instanceof WriteError) throw error.cause;
    ftruncateSync(rows, start);
    end = start;
    block = [`${JSON.stringify(job.name)}\n`];
    flush();
    return { refused: reasonOf(error) };
  }
}

/** The disk's refusal is no fault of the object. */
class WriteError extends Error {}

function write(bytes: Buffer, position: number): number {
  try {
    let written = 0;
    while (written < bytes.length)
      written += writeSync(rows, bytes, written, bytes.length - written, position + written);
    return written;
  } catch (cause) {
    throw new WriteError('writing rows failed', { cause });
  }
}

function rowsOf(object: RawObject): Iterable<ParsedRow> | AsyncIterable<ParsedRow> {
  const given: unknown = parse(object);
  const isIterable =
    typeof given === 'object' && given !== null && (Symbol.iterator in given || Symbol.asyncIterator in given);
  if (isIterable) return given as Iterable<ParsedRow>;
  throw new TypeError('the parser has to give rows one after the other: write `export default function* (object)`');
}

function objectOf({ name, path, columns }: ParserJob): RawObject {
  const entries = columns.map(([key, value]) => [JSON.parse(key), JSON.parse(value)] as const);
  return {
    name,
    path,
    columns: Object.fromEntries(entries) as Record<string, unknown>,
    bytes: () => readFileSync(path),
    text: () => readFileSync(path, 'utf8'),
  };
}

/** The message, and where in the user's code it was thrown. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A source map gives paths, and addresses where there is none.
  const folders = [`${pathToFileURL(process.cwd()).href}/`, `${process.cwd()}/`];
  for (const line of (error.stack ?? '').split('\n')) {
    const folder = folders.find((one) => line.includes(one));
    if (folder === undefined) continue;
    const place = /([^/\\]+:\d+):\d+\)?$/.exec(line.slice(line.indexOf(folder)))?.[1];
    return place === undefined ? error.message : `${error.message} (${place})`;
  }
  return error.message;
}

for (const line of (await text(process.stdin)).split('\n')) {
  if (line === '') continue;
  const outcome = await parseObject(JSON.parse(line) as ParserJob);
  writeSync(3, `${JSON.stringify(outcome)}\n`);
}
