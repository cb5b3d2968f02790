import { appendLog } from '../storage/run-logs.js';
import type { ActivityDependencies } from './dependencies.js';

/** Of a step, over all its attempts. */
const KEPT_BYTES = 1 << 20;
const BLOCK_BYTES = 64 << 10;
const FLUSH_MS = 1_000;
/** A script that prints every row must not fill the disk of the worker. */
const WORKER_LOG_LINES = 1_000;

export interface StepOutput {
  /** Takes a line that a program of the step printed, without secrets. */
  readonly add: (line: string) => void;
  /** Writes what is left. Never throws: a log that cannot be written is no failure of the step. */
  readonly close: () => Promise<void>;
}

/**
 * Keeps what the programs of a step print where every machine can read it: the last MiB of a step, at most a second late. While
 * PostgreSQL is away it waits here, no more than that. A worker that is killed takes its last second with it.
 */
export function openStepOutput(
  { database, log }: Pick<ActivityDependencies, 'database' | 'log'>,
  at: { readonly runId: string; readonly step: string; readonly attempt: number },
): StepOutput {
  const { runId, step } = at;
  // Lines of this attempt are numbered from 0: those from `first` to `printed` are in memory, those before `kept` in PostgreSQL.
  let lines: string[] = [];
  let bytes = 0;
  let first = 0;
  let printed = 0;
  let kept = 0;
  let isAway = false;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const forget = (count: number): void => {
    for (const line of lines.slice(0, count)) bytes -= size(line);
    lines = lines.slice(count);
    first += count;
  };
  const write = async (): Promise<void> => {
    try {
      while (lines.length > 0) {
        const block = { first, lines: firstBlock(lines) };
        const isAdded = await appendLog(database, {
          ...at,
          skipped: block.first - kept,
          lines: block.lines,
          maxBytes: KEPT_BYTES,
        });
        if (!isAdded) break;
        kept = block.first + block.lines.length;
        isAway = false;
        // Some may be forgotten already: the program prints on while this waits.
        forget(Math.max(0, kept - first));
      }
    } catch (error) {
      // Once, not every second for as long as a server is away.
      if (!isAway) log.warn({ run: runId, step, err: error }, 'what a program printed could not be kept yet');
      isAway = true;
    }
  };
  const writeLater = (): void => {
    timer ??= setTimeout(() => {
      writing = write().then(() => {
        timer = undefined;
        if (lines.length > 0) writeLater();
      });
    }, FLUSH_MS).unref();
  };

  return {
    add(line) {
      printed++;
      if (printed <= WORKER_LOG_LINES) log.info({ run: runId, step }, line);
      else if (printed === WORKER_LOG_LINES + 1) log.info({ run: runId, step }, 'more: see `plumbline runs logs`');
      lines.push(line);
      bytes += size(line);
      // Not at every line, as it copies the rest.
      if (bytes > KEPT_BYTES + BLOCK_BYTES) forget(linesOf(lines, bytes - KEPT_BYTES));
      writeLater();
    },
    async close() {
      clearTimeout(timer);
      await writing;
      clearTimeout(timer);
      await write();
    },
  };
}

/** As many of the first lines as have at most that many bytes, and one at least. */
function firstBlock(lines: readonly string[]): string[] {
  return lines.slice(0, Math.max(1, linesOf(lines, BLOCK_BYTES + 1) - 1));
}

/** How many of the first lines have so many bytes or more; all and one more when they have less. */
function linesOf(lines: readonly string[], bytes: number): number {
  let sum = 0;
  const index = lines.findIndex((line) => (sum += size(line)) >= bytes);
  return (index === -1 ? lines.length : index) + 1;
}

function size(line: string): number {
  return Buffer.byteLength(line) + 1;
}
