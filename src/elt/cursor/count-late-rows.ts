import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { CURSOR_SQL_TYPE, cursorColumn } from './cursor-column.js';

interface Place {
  readonly schema: string;
  readonly name: string;
}

/**
 * Rows of a stage that lie before the cursor's state and are not in the table as they are: without the lag they would
 * have been lost. Ask before the stage goes into the table.
 *
 * @param from the cursor's state when the rows were asked for
 */
export async function countLateRows(
  session: Session,
  work: {
    readonly resource: ResourceConfig;
    readonly from: string;
    readonly stage: Place;
    readonly stageColumns: ReadonlyMap<string, ColumnType>;
    readonly target: Place;
    readonly targetColumns: ReadonlyMap<string, ColumnType>;
  },
): Promise<number> {
  const { resource, from, stage, target } = work;
  const staged = cursorColumn(resource.cursor, work.stageColumns, 's.');
  const there = cursorColumn(resource.cursor, work.targetColumns, 't.');
  if (staged === undefined || there === undefined) return 0;
  const same = resource.primaryKey.map((key) => `t.${identifier(key)} = s.${identifier(key)}`).join(' AND ');
  const [counted] = await session.query<{ rows: number }>(
    `SELECT count(*)::float8 AS rows FROM ${qualified(stage.schema, stage.name)} AS s
     WHERE ${staged} < $1::text::${CURSOR_SQL_TYPE[resource.cursor!.type]}
       AND NOT EXISTS (SELECT 1 FROM ${qualified(target.schema, target.name)} AS t WHERE ${same} AND ${there} = ${staged})`,
    [from],
  );
  return counted?.rows ?? 0;
}
