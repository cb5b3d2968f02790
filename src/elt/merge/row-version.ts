import { cursorColumn } from '../cursor/cursor-column.js';
import type { Unit, UnitStage } from './unit.js';

/**
 * A condition that a row of the table (`there`) may give way to a staged one (`added`); `$1` is the batch. A row's
 * version is (load, row number): an older load that comes late does not undo a newer one. Loads published together go by
 * their order, whatever the order in which they were staged.
 */
export function isNotOlder(
  { resource: { cursor }, columns }: Unit,
  { names }: Pick<UnitStage, 'names'>,
  there: string,
  added: string,
): string {
  const before = cursorColumn(cursor, columns, `${there}.`);
  const now = cursorColumn(cursor, columns, `${added}.`);
  // Pages that move while they are read show a row twice, and the later page may have its older state.
  const isFurther =
    before === undefined || now === undefined || !names.includes(cursor!.field)
      ? 'true'
      : `(${before} IS NULL OR ${now} >= ${before})`;
  return `((${there}._load_id = ANY($1::bigint[]) AND ${isFurther}) OR (${there}._load_id <> ALL($1::bigint[])
    AND (${there}._load_id, ${there}._row_number) <= (${added}._load_id, ${added}._row_number)))`;
}
