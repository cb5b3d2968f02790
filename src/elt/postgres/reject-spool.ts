import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RowFault } from '../read/row-fault.js';

/**
 * Rows of a piece that do not fit, until the piece's other rows are written: the connection takes nothing else meanwhile. A query is
 * one piece, whose bad rows may be any number: beyond some hundreds they wait on disk.
 */
export interface RejectSpool {
  readonly add: (fault: RowFault) => void;
  /** So far. */
  readonly rows: () => number;
  /** Something to wait for before more rows are added; undefined when there is nothing. */
  readonly settle: () => Promise<void> | undefined;
  /** In the order in which they were added. */
  readonly batches: () => AsyncGenerator<readonly RowFault[]>;
  readonly close: () => Promise<void>;
}

const HELD_ROWS = 500;

export function openRejectSpool(): RejectSpool {
  let held: RowFault[] = [];
  let rows = 0;
  let folder: string | undefined;
  const files: string[] = [];

  const write = async (): Promise<void> => {
    const batch = held;
    held = [];
    folder ??= await mkdtemp(join(tmpdir(), 'plumbline-load-'));
    const file = join(folder, `${files.length}.json`);
    files.push(file);
    await writeFile(file, JSON.stringify(batch));
  };

  return {
    add(fault) {
      held.push(fault);
      rows++;
    },
    rows: () => rows,
    settle: () => (held.length < HELD_ROWS ? undefined : write()),
    async *batches() {
      for (const file of files) yield JSON.parse(await readFile(file, 'utf8')) as RowFault[];
      if (held.length > 0) yield held;
    },
    async close() {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}
