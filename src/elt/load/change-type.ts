import { PipelineError, TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
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

/** Gives a column of a published table another type, in the caller's transaction. Throws `ELT_TYPE_CHANGE`; a retry does not help. */
export async function changeType(
  session: Session,
  resource: Pick<ResourceConfig, 'at'>,
  target: StageName,
  change: { readonly name: string; readonly from: ColumnType; readonly to: ColumnType },
): Promise<void> {
  const { name, from, to } = change;
  const column = identifier(name);
  const table = qualified(target.schema, target.name);
  const refused = (why: string, cause?: unknown): TerminalError =>
    new TerminalError(
      'ELT_TYPE_CHANGE',
      `Changing column ${JSON.stringify(name)} of ${target.schema}.${target.name} from ${from} to ${to} failed: ${why}.`,
      {
        at: resource.at,
        details: { column: name, from, to },
        next: `Set its type back to ${from} under \`columns\`, or load the table with \`write: replace\`.`,
        cause,
      },
    );
  const converted = valueAs(column, to, from);
  try {
    // A text may be written in many ways; of anything else PostgreSQL would leave out what does not fit, without a word.
    const [inexact] = mayBeText(from, to) ? [] : await session.query<{ value: string }>(`SELECT ${column}::text AS value FROM ${table} WHERE ${valueAs(`(${converted})`, from, to)} IS DISTINCT FROM ${column} LIMIT 1`); // prettier-ignore
    if (inexact !== undefined) throw refused(`it has ${inexact.value}, which would be another value`);
    await session.execute(`ALTER TABLE ${table} ALTER ${column} TYPE ${to} USING ${converted}`);
  } catch (error) {
    // 0A000: a view uses the column; 22 and 42: values or types that do not go over.
    const code = String((error as { code?: unknown }).code);
    if (error instanceof PipelineError || !/^(0A|22|42)/.test(code)) throw error;
    throw refused((error as Error).message, error);
  }
}

function mayBeText(...types: readonly ColumnType[]): boolean {
  return types.includes('text') || types.includes('jsonb');
}
