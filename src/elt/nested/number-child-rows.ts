import { childTables } from '../../model/child-tables.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import type { ChildStage } from '../load/ledger.js';
import { tableColumns } from '../schema/table-columns.js';
import { PARENT_ROW } from './child-columns.js';

/** Gives staged child rows that come after the others of their load the numbers behind those; theirs in turn follow. */
export async function numberChildRows(
  session: Session,
  of: { readonly resource: ResourceConfig; readonly schemas: Schemas; readonly loadId: string },
  stages: readonly ChildStage[],
): Promise<void> {
  const { resource, schemas, loadId } = of;
  const tables = childTables(resource);
  const shift = async (table: string, column: string, rows: number): Promise<void> => {
    const stage = stages.find(({ target }) => target === table);
    if (stage !== undefined)
      await session.execute(`UPDATE ${qualified(schemas.stage, stage.table)} SET ${column} = ${column} + $1::bigint`, [
        rows,
      ]);
  };
  for (const child of tables) {
    if ((await tableColumns(session, schemas.raw, child.table)) === undefined) continue;
    const [last] = await session.query<{ row: number }>(
      `SELECT coalesce(max(_row_number), 0)::float8 AS row FROM ${qualified(schemas.raw, child.table)} WHERE _load_id = $1::bigint`,
      [loadId],
    );
    if (last!.row === 0) continue;
    await shift(child.table, '_row_number', last!.row);
    for (const { table } of tables.filter(({ parent }) => parent?.table === child.table))
      await shift(table, PARENT_ROW, last!.row);
  }
}
