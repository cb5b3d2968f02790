import { Readable } from 'node:stream';
import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { withSource } from '../read/open-source.js';
import { readChunks } from '../read/read-chunks.js';
import { linesOf, type RowChunk } from '../read/row-chunk.js';
import type { RowFault } from '../read/row-fault.js';
import { selectColumns } from '../read/select-columns.js';
import type { RowSource } from '../read/row-source.js';
import type { ColumnType } from '../../model/project.js';
import type { LoadColumn } from '../schema/column.js';
import { REASON, ROW_NUMBER } from './quarantined-row.js';
import { RefusedRow } from './refused-row.js';
import { createStage, type StageName } from './stage-table.js';

export interface CorrectedFile {
  /** A CSV file on this machine. */
  readonly path: string;
  /** What the user calls it. */
  readonly file: string;
}

/** A row that is still wrong. `row` is its number in the load. */
export type StillWrong = Pick<RowFault, 'row' | 'column' | 'value' | 'reason'>;

/**
 * Puts the rows of a corrected file that fit the table's types into `stage`, under their row numbers of the load; gives the
 * others. Throws `ELT_RETRY_FILE` when the file is not one of corrected rows; a retry does not help.
 */
export async function stageCorrectedRows(
  session: Session,
  work: {
    readonly corrected: CorrectedFile;
    readonly stage: StageName;
    readonly loadId: string;
    readonly columns: readonly LoadColumn[];
    readonly signal?: AbortSignal | undefined;
  },
): Promise<StillWrong[]> {
  const { corrected, stage, loadId, columns, signal } = work;
  const resource = {
    id: corrected.file,
    type: 'files',
    path: '',
    format: 'csv',
    columns: {},
    maxRejectedShare: 0,
  } as const;
  const parts = [{ name: corrected.file, path: corrected.path, columns: '{}' }];
  const read = { parts, types: {}, file: corrected.file, resource, existing: new Map<string, ColumnType>(), signal };
  return withSource(read, async (duckdb, read) => {
    const source = selectColumns(read, positions(read, corrected.file, columns));
    const numbered: LoadColumn[] = [{ name: ROW_NUMBER, header: ROW_NUMBER, type: 'bigint' }, ...columns];
    const refused = new Map<number, RowFault>();
    for (;;) {
      try {
        const wrong: StillWrong[] = [];
        await session.transaction(async () => {
          await createStage(session, stage, loadId, columns);
          const chunks = readChunks(duckdb, source, numbered, {
            file: corrected.file,
            fromRow: 1,
            maxRows: ROWS_AT_ONCE,
            refused,
            signal,
          });
          for await (const chunk of chunks) {
            refuseUnnumbered(chunk, source, corrected.file);
            await copyLines(session, stage, chunk, numbered, signal);
            for (const fault of chunk.faults) wrong.push({ ...fault, row: numberOf(fault, corrected.file) });
          }
        });
        await refuseRepeated(session, stage, wrong, corrected.file);
        return wrong;
      } catch (error) {
        // PostgreSQL has the last word on a value, as in a load.
        if (!(error instanceof RefusedRow)) throw error;
        if (refused.size === MAX_REFUSED) throw error.cause;
        refused.set(error.fault.row, withNumber(error.fault));
      }
    }
  });
}

const ROWS_AT_ONCE = 20_000;
const MAX_REFUSED = 1_000;

/** Where the row number and each of the load's columns are, under the table's name or the file's own. */
function positions(source: RowSource, file: string, columns: readonly LoadColumn[]): number[] {
  const headers = source.headers.map((header) => header.trim());
  const find = ({ name, header }: Pick<LoadColumn, 'name' | 'header'>): number =>
    Math.max(headers.indexOf(name), headers.indexOf(header.trim()));
  const wanted = [{ name: ROW_NUMBER, header: ROW_NUMBER }, ...columns];
  const missing = wanted.filter((column) => find(column) === -1).map(({ name }) => name);
  const known = new Set(wanted.map(find));
  const foreign = headers.filter((header, index) => !known.has(index) && header !== REASON);
  if (missing.length === 0 && foreign.length === 0) return wanted.map(find);
  const found = missing.length > 0 ? `it has no column ${missing.join(', ')}` : `${foreign.join(', ')} is no column of the load`; // prettier-ignore
  throw wrongFile(file, 1, `${found}; expected ${wanted.map(({ name }) => name).join(', ')}`);
}

async function copyLines(
  session: Session,
  stage: StageName,
  chunk: RowChunk,
  columns: readonly LoadColumn[],
  signal?: AbortSignal,
): Promise<void> {
  if (chunk.rowNumbers.length === 0) return;
  const names = columns.map(({ name }) => identifier(name)).join(', ');
  // Each line begins with its place in the corrected file, which the table has no column for.
  const text = linesOf(chunk)
    .map((line) => `${line.slice(line.indexOf('\t') + 1)}\n`)
    .join('');
  try {
    await session.copyFrom(
      `COPY ${qualified(stage.schema, stage.name)} (${names}) FROM STDIN (FORMAT text, ENCODING 'UTF8')`,
      Readable.from([Buffer.from(text)]),
      signal === undefined ? {} : { signal },
    );
  } catch (error) {
    throw RefusedRow.from(error, chunk, columns) ?? error;
  }
}

function refuseUnnumbered(chunk: RowChunk, source: RowSource, file: string): void {
  const index = linesOf(chunk).findIndex((line) => /^\d+\t\\N\t/.test(line));
  if (index === -1) return;
  throw wrongFile(file, source.lineOf(chunk.rowNumbers[index]!) ?? undefined, `the row has no ${ROW_NUMBER}`);
}

/** The row's number in the load, which is the first of its values. */
function numberOf({ raw, line, row }: RowFault, file: string): number {
  const found = /^\["(\d{1,15})"/.exec(raw ?? '')?.[1];
  if (found !== undefined) return Number(found);
  throw wrongFile(file, line ?? row + 1, `the row does not begin with a ${ROW_NUMBER}, or is cut wrongly`);
}

/** Of a line as COPY has it, place and number first, the beginning of a kept row. */
function withNumber(fault: RowFault): RowFault {
  return { ...fault, raw: `["${fault.raw?.split('\t')[1] ?? ''}"` };
}

async function refuseRepeated(
  session: Session,
  stage: StageName,
  wrong: readonly StillWrong[],
  file: string,
): Promise<void> {
  const [repeated] = await session.query<{ row: string }>(
    `SELECT row FROM (SELECT _row_number AS row FROM ${qualified(stage.schema, stage.name)}
       UNION ALL SELECT unnest($1::bigint[])) AS given GROUP BY row HAVING count(*) > 1 OR row IS NULL ORDER BY row LIMIT 1`,
    [wrong.map(({ row }) => row)],
  );
  if (repeated !== undefined) throw wrongFile(file, undefined, `${ROW_NUMBER} ${repeated.row} stands there twice`);
}

function wrongFile(file: string, line: number | undefined, what: string): TerminalError {
  return new TerminalError('ELT_RETRY_FILE', `Reading the corrected rows of ${file} failed: ${what}.`, {
    at: { file, ...(line !== undefined && { line }) },
    next: 'Begin with `plumbline rejects list --load N --csv`, and keep its columns.',
  });
}
