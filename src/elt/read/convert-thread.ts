/** The thread of `convertInThread`: gives the next chunk each time it is asked. */
import { parentPort } from 'node:worker_threads';
import { PipelineError } from '../../errors.js';
import { convertCsv } from './convert-csv.js';
import { dropBlocks, memoryOf, reuseBlocks } from './row-blocks.js';
import type { ThreadReply, ThreadRequest } from './convert-in-thread.js';
import type { RowChunk } from './row-chunk.js';

let chunks: AsyncGenerator<RowChunk>;

async function reply(): Promise<ThreadReply> {
  try {
    const next = await chunks.next();
    // The next file may be long in coming.
    if (next.done === true) dropBlocks();
    return { chunk: next.done === true ? undefined : next.value };
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    const { terminal, code, message, details, at, next } = error;
    return { failure: { terminal, code, message, context: { details, ...(at && { at }), ...(next && { next }) } } };
  }
}

parentPort!.on('message', ({ job, used }: ThreadRequest) => {
  // Only who made the scan knows its lines.
  if (job !== undefined)
    chunks = convertCsv(job.source, { ...job.scan, lines: { lineOf: () => 0 } }, job.columns, job.options);
  reuseBlocks(used);
  void reply().then((given) => {
    const blocks = 'chunk' in given ? (given.chunk?.blocks ?? []) : [];
    // Moved, not copied: each has a memory of its own.
    parentPort!.postMessage(given, blocks.map(memoryOf));
  });
});
