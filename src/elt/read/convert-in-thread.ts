import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { TerminalError, TransientError, type ErrorContext } from '../../errors.js';
import type { LoadColumn } from '../schema/column.js';
import { convertCsv } from './convert-csv.js';
import { keepThread, takeThread, threadFile } from './kept-thread.js';
import type { ByteSource } from './open-bytes.js';
import type { ChunkOptions, RowChunk } from './row-chunk.js';
import { memoryOf, receivedBlocks } from './row-blocks.js';
import type { CsvScan } from './scan-csv.js';

/** A file that the thread is to read. */
export interface ThreadJob {
  readonly source: ByteSource;
  readonly scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'rows' | 'multiLine'>;
  readonly columns: readonly LoadColumn[];
  readonly options: Omit<ChunkOptions, 'signal'>;
}

/** Asks for the next chunk; `job` says of which file, where that is another one than before. */
export interface ThreadRequest {
  readonly job?: ThreadJob;
  /** Blocks that nobody reads any more. */
  readonly used: readonly ArrayBuffer[];
}

/** Without a chunk: that was the last one. */
export type ThreadReply = { readonly chunk: RowChunk | undefined } | { readonly failure: ThreadFailure };

interface ThreadFailure {
  readonly terminal: boolean;
  readonly code: string;
  readonly message: string;
  readonly context: ErrorContext;
}

/**
 * What `convertCsv` gives, and throws, made in a thread of its own where the rows are more than one chunk: a COPY that is fed meanwhile
 * never waits for them, nor does what else this process does. The thread makes a chunk when it is asked for. It is kept for the next file when
 * all chunks were taken, and ends with the generator when something failed or nobody wanted more.
 * A chunk's blocks go back to the thread when the one after the next is asked for, so that `readAhead` may hold two.
 */
export async function* convertInThread(
  source: ByteSource,
  scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'rows' | 'lines' | 'multiLine'>,
  columns: readonly LoadColumn[],
  options: ChunkOptions,
): AsyncGenerator<RowChunk> {
  const isLong = source.content === undefined && scan.rows - options.fromRow >= options.maxRows;
  const file = threadFile('read/convert-thread.js');
  if (!isLong || !existsSync(file)) {
    yield* convertCsv(source, scan, columns, options);
    return;
  }
  const { signal, ...rest } = options;
  const { lines, dialect, hasHeader, rows, multiLine } = scan;
  const thread = takeThread(file);
  // Also one that breaks while nobody waits for it.
  const breaking = new AbortController();
  const broken = once(thread, 'error', { signal: breaking.signal }).then(([error]) => {
    throw error as Error;
  });
  broken.catch(() => {});
  let job: ThreadJob | undefined = { source, scan: { dialect, hasHeader, rows, multiLine }, columns, options: rest };
  let used: ArrayBuffer[] = [];
  let newest: ArrayBuffer[] = [];
  let isDone = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      thread.postMessage({ ...(job && { job }), used } satisfies ThreadRequest, used);
      job = undefined;
      used = newest;
      const replied = once(thread, 'message', signal === undefined ? {} : { signal });
      const [reply] = (await Promise.race([replied, broken])) as [ThreadReply];
      if ('failure' in reply) throw failureOf(reply.failure);
      if (reply.chunk === undefined) {
        isDone = true;
        return;
      }
      newest = reply.chunk.blocks.map(memoryOf);
      yield withLines(reply.chunk, lines);
    }
  } finally {
    breaking.abort();
    await (isDone ? keepThread(file, thread) : thread.terminate());
  }
}

/** Faults come without their lines. */
function withLines(chunk: RowChunk, lines: CsvScan['lines']): RowChunk {
  return {
    ...chunk,
    blocks: receivedBlocks(chunk.blocks),
    faults: chunk.faults.map((fault) => ({ ...fault, line: lines.lineOf(fault.row) })),
  };
}

function failureOf({ terminal, code, message, context }: ThreadFailure): Error {
  return terminal ? new TerminalError(code, message, context) : new TransientError(code, message, context);
}
