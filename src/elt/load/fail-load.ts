import { TerminalError, type PipelineError } from '../../errors.js';
import { jsonb } from '../../model/jsonb.js';
import { plural } from '../../model/plural.js';
import { dropUnlessInUse } from '../publish/drop-unless-in-use.js';
import { placeOfRow } from '../read/row-fault.js';
import type { FinishContext } from './finish-load.js';
import { LoadFencedError } from './load-fenced-error.js';
import { mostRejected } from './most-rejected.js';
import { firstRejects } from './rejects.js';
import { childStagesOf } from './stage-table.js';

/** Marks the load as failed and drops its stage; its quarantined rows stay to be looked at. Gives the error to throw. */
export async function failLoad(context: FinishContext, rejected: number): Promise<PipelineError> {
  const { options, session, loadId, token, stage, source } = context;
  const { object, resource } = options;
  const error = await tooManyRejects(context, rejected);
  const changed = await session.execute(
    `UPDATE plumbline.loads SET status = 'failed', stage_table = NULL, error = $3
     WHERE load_id = $1 AND token = $2 AND status IN ('loading', 'staged')`,
    [
      loadId,
      token,
      jsonb({
        code: error.code,
        message: error.message,
        rowsTotal: source.rows,
        maxRejectedShare: resource.maxRejectedShare,
      }),
    ],
  );
  if (changed !== 1) throw new LoadFencedError(`Load ${loadId} of ${object.path}`, { loadId });
  const children = await childStagesOf(session, stage.schema, [loadId]);
  // On this connection, which a successor ends first: it may have made a stage of that name.
  for (const { schema, name } of [stage, ...children]) await dropUnlessInUse(session, { schema, name, kind: 'r' });
  return error;
}

async function tooManyRejects(
  { options, session, loadId, source }: FinishContext,
  rejected: number,
): Promise<TerminalError> {
  const { object, resource, schemas } = options;
  const first = await firstRejects(session, loadId);
  const shown = first.map((reject) => {
    const { column, value, reason } = reject;
    const place = placeOfRow(reject);
    return column === null
      ? `${place}: ${reason}`
      : `${place}, column ${JSON.stringify(column)}: got ${JSON.stringify(value)}, ${reason}`;
  });
  const line = first[0]?.line ?? undefined;
  return new TerminalError(
    'ELT_TOO_MANY_REJECTS',
    `Loading ${object.path} into ${schemas.raw}.${resource.table} stopped: ${rejected} of its ${source.rows} ${plural(source.rows, 'row was', 'rows were')} refused, ` +
      `expected at most ${(100 * resource.maxRejectedShare).toLocaleString('en')} %${resource.maxRejectedShare * source.rows < mostRejected(resource, source.rows) ? ' or one' : ''}. First ones: ${shown.join('; ')}.`,
    {
      details: { loadId, rejected, rows: source.rows, maxRejectedShare: resource.maxRejectedShare, first },
      at: { file: object.path, ...(line !== undefined && { line }) },
      next: `${remedy(first, source.dialect?.['format'] === 'csv')}, or raise \`max_rejected\`. The table keeps its former rows.`,
    },
  );
}

/** What is most likely to be said of the source, by its first rejects. */
function remedy(first: readonly { readonly value: string | null; readonly reason: string }[], isCsv: boolean): string {
  const has = (text: string): boolean => first.some(({ reason }) => reason.includes(text));
  if (has('not valid UTF-8'))
    return 'Say how the file is written (`encoding: windows-1252`, `latin-1` or `utf-16`), or correct the rows';
  if (has('has no header'))
    return 'Say in which row the names of the columns are (`xlsx: { header_row: 3 }`), or correct the rows';
  if (has('fields: '))
    return "Say how the file is written (`csv: { delimiter: ';', skip_lines: 1 }`, where the header is not its first line), or correct the rows";
  if (isCsv && has('YYYY-MM-DD') && first.some(({ value }) => OTHER_DATE.test(value ?? '')))
    return 'Say how dates are written (`csv: { date_format: DD.MM.YYYY }`), or correct the rows, or give the column another type under `columns`';
  return 'Correct the rows, or give the column another type under `columns`';
}

const OTHER_DATE = /^\s*\d{1,4}[./-](\d{1,2}|[a-z]{3})[./-]\d{1,4}\b/i;
