import { PipelineError, TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { expectation, isWrittenAs } from '../schema/type-rules.js';
import { valueAs } from '../schema/value-as.js';
import type { TypeChange } from './claim-publication.js';
import type { StageName } from './stage-table.js';

/** Columns that stay and get another type. */
export function changedTypes(
  former: ReadonlyMap<string, ColumnType> | undefined,
  columns: ReadonlyMap<string, ColumnType>,
): TypeChange[] {
  return [...(former ?? [])].flatMap(([column, from]) => {
    const to = columns.get(column);
    return to === undefined || to === from ? [] : [{ column, from, to }];
  });
}

/**
 * Gives a column of a published table another type, in the caller's transaction. Throws `ELT_TYPE_CHANGE` where a value would not be
 * what it was; a retry does not help.
 */
export async function changeType(
  session: Session,
  resource: Pick<ResourceConfig, 'at'>,
  target: StageName,
  change: { readonly name: string; readonly from: ColumnType; readonly to: ColumnType },
): Promise<void> {
  const { name, from, to } = change;
  const column = identifier(name);
  const table = qualified(target.schema, target.name);
  const refused = (reason: string, cause?: unknown): TerminalError =>
    new TerminalError(
      'ELT_TYPE_CHANGE',
      `Changing column ${JSON.stringify(name)} of ${target.schema}.${target.name} from ${from} to ${to} failed: ${reason}.`,
      {
        at: resource.at,
        details: { column: name, from, to },
        next: `Set its type back to ${from} under \`columns\`, or load once with \`write: replace\`, which makes the table anew from all that is there.`,
        ...(cause !== undefined && { cause }),
      },
    );
  try {
    const [changed] = isWider(from, to) ? [] : await session.query<{ value: string }>(`SELECT ${column}::text AS value FROM ${table} WHERE NOT (${isKept(column, from, to)}) LIMIT 1`); // prettier-ignore
    if (changed !== undefined)
      throw refused(`the table has ${JSON.stringify(changed.value)} in it, expected ${expectation(to)}`);
    await session.execute(`ALTER TABLE ${table} ALTER ${column} TYPE ${to} USING ${valueAs(column, to, from)}`);
  } catch (error) {
    // 0A000: a view uses the column; 22 and 42: values or types that do not go over.
    const code = String((error as { code?: unknown }).code);
    if (error instanceof PipelineError || !/^(0A|22|42)/.test(code)) throw error;
    throw refused((error as Error).message, error);
  }
}

/** Condition that a cast leaves a value as it is: nothing is rounded or cut. NULL passes. */
function isKept(column: string, from: ColumnType, to: ColumnType): string {
  const converted = valueAs(column, to, from);
  if (from === 'jsonb') return `to_jsonb(${converted}) IS NOT DISTINCT FROM ${column}`;
  if (from !== 'text') return `${valueAs(`(${converted})`, from, to)} IS NOT DISTINCT FROM ${column}`;
  const isExact = to.startsWith('numeric(') ? `${converted} = ${column}::numeric` : isWrittenAs(to, column);
  return `coalesce(${isExact}, true)`;
}

/** Whether any value of one type is one of the other: then a large table is not read for it. */
function isWider(from: ColumnType, to: ColumnType): boolean {
  if (to === 'numeric') return from === 'bigint' || from === 'double precision' || from.startsWith('numeric');
  return to === 'text' || (from === 'date' && to === 'timestamp');
}
