import type { Session } from '../../model/database.js';
import { identifier, literal } from '../../model/sql-identifier.js';
import type { SourceDescription } from './describe-source.js';

/** A share of the rows that is read by one statement and committed by one transaction. */
export interface Piece {
  /** From 0, in reading order. */
  readonly number: number;
  /** SQL over q. */
  readonly where: string;
}

// 16 MiB: some hundred thousand narrow rows a transaction, which is what a killed attempt repeats at most.
const BLOCKS_PER_PIECE = 2_048;

/** Every row is in exactly one piece. The same rows at the same places make the same pieces. */
export function piecesByPlace(blocks: number): Piece[] {
  const count = Math.max(1, Math.ceil(blocks / BLOCKS_PER_PIECE));
  return Array.from({ length: count }, (_, number) => {
    const from = `q.ctid >= '(${number * BLOCKS_PER_PIECE},0)'::tid`;
    // The last one has no end, whatever became of the table's size.
    const to = number === count - 1 ? '' : ` AND q.ctid < '(${(number + 1) * BLOCKS_PER_PIECE},0)'::tid`;
    return { number, where: from + to };
  });
}

/**
 * `count` pieces of about as many rows, between quantiles of a key column: the source sorts it once. Rows whose key is
 * NULL are in the last one.
 */
export async function piecesByKey(
  session: Session,
  { from }: Pick<SourceDescription, 'from'>,
  column: string,
  count: number,
): Promise<Piece[]> {
  const key = `q.${identifier(column)}`;
  const shares = Array.from({ length: count - 1 }, (_, index) => (index + 1) / count);
  const [found] = await session.query<{ bounds: (string | null)[] | null; type: string }>(
    `SELECT (percentile_disc(ARRAY[${shares.join(', ')}]::float8[]) WITHIN GROUP (ORDER BY ${key}))::text[] AS bounds,
       (SELECT pg_typeof(${key})::text FROM ${from} LIMIT 1) AS type FROM ${from}`,
  );
  const bounds = [...new Set(found?.bounds ?? [])].filter((bound) => bound !== null);
  if (bounds.length === 0) return [{ number: 0, where: 'true' }];
  const values = bounds.map((bound) => `${literal(bound)}::${found!.type}`);
  return Array.from({ length: values.length + 1 }, (_, number) => {
    const low = number === 0 ? '' : `${key} >= ${values[number - 1]!}`;
    const high = number === values.length ? '' : `${key} < ${values[number]!}`;
    const where = [low, high].filter((one) => one !== '').join(' AND ');
    return { number, where: number === values.length ? `(${where} OR ${key} IS NULL)` : where };
  });
}
