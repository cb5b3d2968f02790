import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { cursorColumn } from '../cursor/cursor-column.js';
import type { StageName } from './stage-table.js';

export interface RowsToAdd {
  readonly resource: ResourceConfig;
  readonly target: StageName;
  /** Rows with their `_load_id`, `_row_number` and `_loaded_at`. */
  readonly stage: StageName;
  /** The stage's own columns. */
  readonly names: readonly string[];
  /** Columns of the target. */
  readonly columns: ReadonlyMap<string, ColumnType>;
  /** Loads that are published together, in their order. */
  readonly batch: readonly string[];
}

/** Puts a stage's rows into the published table, in the caller's transaction. */
export async function addRows(session: Session, rows: RowsToAdd): Promise<void> {
  const { resource, batch } = rows;
  if (resource.write !== 'merge') {
    await session.execute(insertion(rows));
    return;
  }
  const key = resource.primaryKey.map(identifier);
  const updates = written(rows).filter((column) => !key.includes(column));
  await session.execute(
    `${insertion(rows)} ON CONFLICT (${key.join(', ')}) DO UPDATE
     SET ${updates.map((column) => `${column} = excluded.${column}`).join(', ')}
     WHERE ${isNotOlder(rows)}`,
    [[...batch]],
  );
}

function insertion({ target, stage, names, columns }: RowsToAdd): string {
  const values = [
    ...names.map((name) => `${identifier(name)}::${columns.get(name)!}`),
    '_load_id',
    '_row_number',
    '_loaded_at',
  ];
  return `INSERT INTO ${qualified(target.schema, target.name)} AS t (${written({ names }).join(', ')})
    SELECT ${values.join(', ')} FROM ${qualified(stage.schema, stage.name)}`;
}

function written({ names }: Pick<RowsToAdd, 'names'>): string[] {
  return [...names, '_load_id', '_row_number', '_loaded_at'].map(identifier);
}

/**
 * A row's version is (load, row number): an older load that comes late does not undo a newer one. Loads published
 * together go by their order here, whatever the order in which they were staged.
 */
function isNotOlder({ resource: { cursor }, columns, names }: RowsToAdd): string {
  const there = cursorColumn(cursor, columns, 't.');
  const added = cursorColumn(cursor, columns, 'excluded.');
  // Pages that move while they are read show a row twice, and the later page may have its older state.
  const isFurther =
    there === undefined || added === undefined || !names.includes(cursor!.field)
      ? 'true'
      : `(${there} IS NULL OR ${added} >= ${there})`;
  return `(t._load_id = ANY($1::bigint[]) AND ${isFurther}) OR t._load_id <> ALL($1::bigint[])
    AND (t._load_id, t._row_number) <= (excluded._load_id, excluded._row_number)`;
}
