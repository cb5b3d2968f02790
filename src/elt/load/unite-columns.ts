import type { Queryable } from '../../model/database.js';
import type { ColumnType } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { commonType } from '../schema/unify-columns.js';
import type { StageName } from './stage-table.js';

export interface TypedTable {
  readonly table: StageName;
  readonly columns: ReadonlyMap<string, ColumnType>;
}

/** The columns of all tables in the order of their first appearance, each with a type that holds every table's values exactly. */
export async function uniteColumns(
  database: Queryable,
  tables: readonly TypedTable[],
  declared: Readonly<Record<string, ColumnType>>,
): Promise<Map<string, ColumnType>> {
  const fixed = new Map(Object.entries(declared));
  const united = new Map<string, ColumnType>();
  for (const { columns } of tables) {
    for (const [name, type] of columns) {
      const before = united.get(name);
      const small = before !== undefined && before !== type && (await holdsSmallIntegers(database, tables, name));
      united.set(name, fixed.get(name) ?? (before === undefined ? type : commonType(before, type, small)));
    }
  }
  return united;
}

/** Whether a double holds every whole number of this column. */
async function holdsSmallIntegers(database: Queryable, tables: readonly TypedTable[], name: string): Promise<boolean> {
  for (const { table, columns } of tables) {
    if (columns.get(name) !== 'bigint') continue;
    const column = identifier(name);
    const large = await database.query(
      `SELECT 1 FROM ${qualified(table.schema, table.name)} WHERE ${column} NOT BETWEEN -9007199254740992 AND 9007199254740992 LIMIT 1`,
    );
    if (large.length > 0) return false;
  }
  return true;
}
