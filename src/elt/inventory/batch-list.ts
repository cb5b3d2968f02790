import { TerminalError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';
import type { ColumnType } from '../../model/project.js';

/** One object of a batch, as the batch's list has it. */
export interface BatchEntry {
  readonly url: string;
  readonly sha256: string;
  /** What the inventory says of it beside the address, as one JSON object. */
  readonly columns: string;
}

export interface BatchList {
  /** Of the inventory's columns. */
  readonly types: Readonly<Record<string, ColumnType>>;
  readonly entries: readonly BatchEntry[];
}

/** The list that is loaded in the objects' place: its hash changes when an object or what is said of it does. */
export function writeBatchList({ types, entries }: BatchList): Buffer {
  const lines = [
    JSON.stringify(types),
    ...entries.map(({ url, sha256, columns }) => JSON.stringify([url, sha256, columns])),
  ];
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** Throws `STORE_…` (terminal) when the list is not in the store as it was written. */
export async function readBatchList(store: ArtifactStore, sha256: string): Promise<BatchList> {
  const [types, ...lines] = (await store.read(sha256)).toString('utf8').trimEnd().split('\n');
  const entries = lines.map((line) => {
    const [url, object, columns] = JSON.parse(line) as [string?, string?, string?];
    if (url === undefined || object === undefined || columns === undefined)
      throw new TerminalError('STORE_HASH_MISMATCH', `Object ${sha256} is not the list of a batch.`, {
        next: 'Run the load again with --force.',
      });
    return { url, sha256: object, columns };
  });
  return { types: JSON.parse(types!) as BatchList['types'], entries };
}
