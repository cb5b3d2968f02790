import { Readable } from 'node:stream';
import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { RowChunk } from '../read/row-chunk.js';
import { wholeCopy } from '../read/whole-copy.js';
import type { LoadColumn } from '../schema/column.js';
import { RefusedRow } from './refused-row.js';
import type { StageName } from './stage-table.js';

/**
 * Writes the rows of a chunk into a load's own stage by one COPY, and gives how many PostgreSQL says they were. Throws RefusedRow or RefusedBinary when PostgreSQL refuses a value.
 *
 * @param options.blocks the chunk's, where something is to happen between them
 */
export async function copyChunk(
  session: Session,
  chunk: RowChunk,
  { stage, columns }: { readonly stage: StageName; readonly columns: readonly LoadColumn[] },
  options: { readonly blocks?: AsyncIterable<Buffer>; readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const { blocks = chunk.blocks, signal } = options;
  const names = ['_row_number', ...columns.map(({ name }) => name)].map(identifier).join(', ');
  try {
    return await session.copyFrom(
      `COPY ${qualified(stage.schema, stage.name)} (${names}) FROM STDIN (FORMAT ${chunk.format}, ENCODING 'UTF8')`,
      Readable.from(wholeCopy(chunk.format, blocks), { objectMode: false }),
      signal === undefined ? {} : { signal },
    );
  } catch (error) {
    throw RefusedRow.from(error, chunk, columns) ?? error;
  }
}
