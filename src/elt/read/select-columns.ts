import type { RowSource } from './row-source.js';

/** The same rows with these columns only, in this order: positions in `source.headers`. */
export function selectColumns(source: RowSource, positions: readonly number[]): RowSource {
  const pick = <T>(values: readonly T[]): T[] => positions.map((position) => values[position]!);
  const columns = positions.map((position, index) => `c${position} AS c${index}`).join(', ');
  // What reads the file by itself gives its columns in their own order.
  const { convert: _convert, classify: _classify, ...rest } = source;
  return {
    ...rest,
    headers: pick(source.headers),
    types: pick(source.types),
    allowed: pick(source.allowed),
    relation: `(SELECT ${columns} FROM ${source.relation})`,
  };
}
