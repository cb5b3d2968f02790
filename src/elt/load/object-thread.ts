/** The thread of `openReadingThread`: reads CSV objects whole, and leaves everything else to whoever asked. */
import { parentPort } from 'node:worker_threads';
import { fileFormat } from '../read/file-format.js';
import { byteSource, firstBytes } from '../read/open-bytes.js';
import { openCsvOf } from '../read/open-csv-of.js';
import { memoryOf } from '../read/row-blocks.js';
import { readTypes } from './plan-reader.js';
import type { GivenObject, ReadObject, ReadRequest } from './reading-thread.js';
import { readWhole } from './read-whole.js';

async function read(object: GivenObject, { settings, folder }: ReadRequest): Promise<ReadObject | undefined> {
  const { resource, existing } = settings;
  const { path, file, content } = object;
  const head =
    content === undefined ? await firstBytes(path) : Buffer.from(content.buffer, content.byteOffset, content.length);
  if (fileFormat(resource.format, file, head) !== 'csv') return undefined;
  const types = new Map([...readTypes(resource, existing), ...Object.entries(resource.columns)]);
  const source = await openCsvOf(resource, await byteSource(path, file, resource.encoding, head), { folder, types });
  const whole = await readWhole(noDuckDB, source, { path: file, loadId: object.loadId }, settings);
  return whole && { ...whole, lines: source.lines!.found() };
}

async function noDuckDB(): Promise<never> {
  throw new Error('this thread has no DuckDB');
}

let former = Promise.resolve();

parentPort!.on('message', (request: ReadRequest) => {
  former = former.then(async () => {
    const objects: (ReadObject | undefined)[] = [];
    // What fails here fails again where it is left to, and is told there.
    for (const object of request.objects) objects.push(await read(object, request).catch(() => undefined));
    // Moved, not copied: each has a memory of its own.
    const blocks = objects.flatMap((object) => object?.blocks ?? []);
    parentPort!.postMessage(objects, blocks.map(memoryOf));
  });
});
