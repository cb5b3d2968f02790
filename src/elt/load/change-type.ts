import { PipelineError, TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
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
  try {
    await session.execute(
      `ALTER TABLE ${qualified(target.schema, target.name)} ALTER ${column} TYPE ${to} USING ${column}::${to}`,
    );
  } catch (error) {
    // 0A000: a view uses the column; 22 and 42: values or types that do not go over.
    const code = String((error as { code?: unknown }).code);
    if (error instanceof PipelineError || !/^(0A|22|42)/.test(code)) throw error;
    throw new TerminalError(
      'ELT_TYPE_CHANGE',
      `Changing column ${JSON.stringify(name)} of ${target.schema}.${target.name} from ${from} to ${to} failed: ${(error as Error).message}.`,
      {
        at: resource.at,
        details: { column: name, from, to },
        next: `Set its type back to ${from} under \`columns\`, or load the table with \`write: replace\`.`,
        cause: error,
      },
    );
  }
}
