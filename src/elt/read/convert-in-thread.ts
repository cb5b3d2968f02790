import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { TerminalError, TransientError, type ErrorContext } from '../../errors.js';
import type { LoadColumn } from '../schema/column.js';
import { convertCsv } from './convert-csv.js';
import type { ByteSource } from './open-bytes.js';
import type { ChunkOptions, RowChunk } from './row-chunk.js';
import type { CsvScan } from './scan-csv.js';

/** What the thread is started with. */
export interface ThreadData {
  readonly source: ByteSource;
  readonly scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'rows' | 'multiLine'>;
  readonly columns: readonly LoadColumn[];
  readonly options: Omit<ChunkOptions, 'signal'>;
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
 * never waits for them, nor does what else this process does. The thread makes a chunk when it is asked for and ends with the generator.
 * A chunk's blocks go back to the thread when the one after the next is asked for, so that `readAhead` may hold two.
 */
export async function* convertInThread(
  source: ByteSource,
  scan: Pick<CsvScan, 'dialect' | 'hasHeader' | 'rows' | 'lines' | 'multiLine'>,
  columns: readonly LoadColumn[],
  options: ChunkOptions,
): AsyncGenerator<RowChunk> {
  const isLong = source.content === undefined && scan.rows - options.fromRow >= options.maxRows;
  const file = threadFile();
  if (!isLong || !existsSync(file)) {
    yield* convertCsv(source, scan, columns, options);
    return;
  }
  const { signal, ...rest } = options;
  const { lines, dialect, hasHeader, rows, multiLine } = scan;
  const data: ThreadData = { source, scan: { dialect, hasHeader, rows, multiLine }, columns, options: rest };
  const thread = new Worker(file, { workerData: data, execArgv: [], name: 'csv' });
  // Also one that breaks while nobody waits for it.
  const broken = new Promise<never>((_, reject) => thread.once('error', reject));
  broken.catch(() => {});
  let used: ArrayBuffer[] = [];
  let newest: ArrayBuffer[] = [];
  try {
    for (;;) {
      signal?.throwIfAborted();
      thread.postMessage(used, used);
      used = newest;
      const replied = once(thread, 'message', signal === undefined ? {} : { signal });
      const [reply] = (await Promise.race([replied, broken])) as [ThreadReply];
      if ('failure' in reply) throw failureOf(reply.failure);
      if (reply.chunk === undefined) return;
      newest = reply.chunk.blocks.map(({ buffer }) => buffer as ArrayBuffer);
      yield withLines(reply.chunk, lines);
    }
  } finally {
    await thread.terminate();
  }
}

/** Blocks come as plain bytes, faults without their lines. */
function withLines(chunk: RowChunk, lines: CsvScan['lines']): RowChunk {
  return {
    ...chunk,
    blocks: chunk.blocks.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
    faults: chunk.faults.map((fault) => ({ ...fault, line: lines.lineOf(fault.row) })),
  };
}

function failureOf({ terminal, code, message, context }: ThreadFailure): Error {
  return terminal ? new TerminalError(code, message, context) : new TransientError(code, message, context);
}

/** The compiled thread: beside this file, or in dist when this file runs as TypeScript. */
function threadFile(): URL {
  return import.meta.url.endsWith('.ts')
    ? new URL('../../../dist/elt/read/convert-thread.js', import.meta.url)
    : new URL('./convert-thread.js', import.meta.url);
}
