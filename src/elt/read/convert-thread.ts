/** The thread of `convertInThread`: gives the next chunk each time it is asked. */
import { parentPort, workerData } from 'node:worker_threads';
import { PipelineError } from '../../errors.js';
import { convertCsv } from './convert-csv.js';
import { reuseBlocks } from './row-blocks.js';
import type { ThreadData, ThreadReply } from './convert-in-thread.js';

const { source, scan, columns, options } = workerData as ThreadData;
// Only who made the scan knows its lines.
const chunks = convertCsv(source, { ...scan, lines: { lineOf: () => 0 } }, columns, options);

function memoryOf({ buffer }: Buffer): ArrayBuffer {
  return buffer as ArrayBuffer;
}

async function reply(): Promise<ThreadReply> {
  try {
    const next = await chunks.next();
    return { chunk: next.done === true ? undefined : next.value };
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    const { terminal, code, message, details, at, next } = error;
    return { failure: { terminal, code, message, context: { details, ...(at && { at }), ...(next && { next }) } } };
  }
}

parentPort!.on('message', (used: readonly ArrayBuffer[]) => {
  reuseBlocks(used);
  void reply().then((given) => {
    const blocks = 'chunk' in given ? (given.chunk?.blocks ?? []) : [];
    // Moved, not copied: each has a memory of its own.
    parentPort!.postMessage(given, blocks.map(memoryOf));
  });
});
