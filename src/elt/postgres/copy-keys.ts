import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { LoadFencedError } from '../load/load-fenced-error.js';
import { keysName, type StageName } from '../load/stage-table.js';
import { ASKED } from '../merge/source-keys.js';
import { streamPiece } from './copy-piece.js';
import { inRange, type CursorRange } from './cursor-range.js';
import type { SourceDescription } from './describe-source.js';
import { meterPiece } from './piece-meter.js';
import { piecesByPlace } from './plan-pieces.js';

interface KeysTarget {
  readonly loadId: string;
  readonly token: string;
  readonly stage: StageName;
  readonly primaryKey: readonly string[];
  /** How far the loads so far have asked, of a resource with a cursor. */
  readonly range: CursorRange;
}

/**
 * Reads the primary keys of all rows of a source, under the snapshot that its rows are read under, into a table beside the load's stage,
 * in transactions of some hundred thousand keys. Another attempt begins anew. Throws LoadFencedError when another attempt has the load.
 */
export async function copyKeys(
  from: Session,
  into: Session,
  description: SourceDescription,
  { loadId, token, stage, primaryKey, range }: KeysTarget,
  signal?: AbortSignal,
): Promise<void> {
  const keys = keysName(stage);
  const table = qualified(keys.schema, keys.name);
  const places = primaryKey.map((name) => description.columns.findIndex((column) => column.name === name));
  const own = places.map((place) => description.columns[place]!);
  const names = [...own.map(({ name }) => name), ASKED].map(identifier).join(', ');
  const asked = description.cursor === undefined ? 'true' : inRange(description.cursor, range);
  const values = [...places.map((place) => description.values[place]!), asked].join(', ');
  const fence = async (): Promise<void> => {
    const held = await into.execute(
      `UPDATE plumbline.loads SET token = token WHERE load_id = $1 AND token = $2 AND status = 'loading'`,
      [loadId, token],
    );
    if (held !== 1) throw new LoadFencedError(`Load ${loadId}`, { loadId });
  };
  await into.transaction(async () => {
    await fence();
    await into.execute(`DROP TABLE IF EXISTS ${table}`);
    await into.execute(
      `CREATE TABLE ${table} (${own.map(({ name, type }) => `${identifier(name)} ${type}, `).join('')}${identifier(ASKED)} boolean)`,
    );
  });
  for (const { where } of piecesOf(description)) {
    const copyOut = `COPY (SELECT ${values} FROM ${description.from} WHERE ${where}) TO STDOUT (FORMAT binary)`;
    const copyIn = `COPY ${table} (${names}) FROM STDIN (FORMAT binary)`;
    await into.transaction(async () => {
      await streamPiece(from, into, copyOut, copyIn, meterPiece(), signal);
      await fence();
    });
  }
  await into.execute(`ANALYZE ${table}`);
}

function piecesOf({ blocks }: SourceDescription): readonly { readonly where: string }[] {
  return blocks === undefined ? [{ where: 'true' }] : piecesByPlace(blocks);
}
