import { TerminalError } from '../../errors.js';
import type { ArtifactStore } from '../../model/artifact.js';

/** One object of a batch, as the batch's list has it. */
export interface BatchEntry {
  readonly url: string;
  readonly sha256: string;
  /** What the inventory says of it beside the address, as one JSON object. */
  readonly columns: string;
}

/** The list that is loaded in the objects' place: its hash changes when an object or what is said of it does. */
export function writeBatchList(entries: readonly BatchEntry[]): Buffer {
  return Buffer.from(entries.map(({ url, sha256, columns }) => `${JSON.stringify([url, sha256, columns])}\n`).join(''));
}

/** Throws `STORE_…` (terminal) when the list is not in the store as it was written. */
export async function readBatchList(store: ArtifactStore, sha256: string): Promise<BatchEntry[]> {
  const text = (await store.read(sha256)).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [url, object, columns] = JSON.parse(line) as [string?, string?, string?];
      if (url === undefined || object === undefined || columns === undefined)
        throw new TerminalError('STORE_HASH_MISMATCH', `Object ${sha256} is not the list of a batch.`, {
          next: 'Run the load again with --force.',
        });
      return { url, sha256: object, columns };
    });
}
