import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { ensureIndex } from '../merge/merge-index.js';
import { sqlName, type UnitStage } from '../merge/unit.js';
import { valueAs } from '../schema/value-as.js';
import { READ_BYTES } from './follow-rows.js';
import type { LedgerLine } from './ledger.js';
import type { StageName } from './stage-table.js';

export interface Publishing {
  readonly resource: ResourceConfig;
  readonly target: StageName;
  readonly columns: ReadonlyMap<string, ColumnType>;
  /** Loads that are published; of rows that are retried none. */
  readonly lines: readonly LedgerLine[];
  /** Where the new rows came from; they are still there. */
  readonly stages: readonly UnitStage[];
  /** The table holds nothing but the new rows. */
  readonly isNew: boolean;
}

/**
 * A primary key occurs once in a table that files are appended to, though each file was read by itself; where the paths alone say of which
 * interval files are, once among those of one. Intervals that a row's time sorts, or that an API is asked for, have it once together: a row
 * whose time has changed is still in its former one. Call it when their rows are in the table. Where it looks at more than an interval, a
 * large table gets an index over the key, else each publication would read all of it.
 * Throws `ELT_KEY_REPEATED` (terminal); the transaction is then to be rolled back.
 */
export async function refuseRepeatedKey(session: Session, work: Publishing): Promise<void> {
  const { primaryKey, interval, write, type } = work.resource;
  if (write !== 'append' || primaryKey.length === 0) return;
  const isSorted = isSortedByTime(work.resource);
  if (type !== 'files' && !isSorted) return;
  const isAnywhere = interval === undefined || isSorted;
  const repeated = isAnywhere ? await repeatedInTable(session, work) : await repeatedAmong(session, work);
  if (repeated === undefined) return;
  const where = isAnywhere ? '' : ', files of one interval';
  const theOther = 'the interval of the other row anew first (`plumbline run load --interval A/B`)';
  const moved =
    type === 'files'
      ? `Correct the files or, where the time of the row has changed, load ${theOther}`
      : `Load ${theOther}`;
  const correct = isSorted ? moved : 'Correct the files';
  throw new TerminalError(
    'ELT_KEY_REPEATED',
    `Publishing ${work.resource.id} failed: the primary key ${primaryKey.join(', ')} = ${repeated.key.slice(1, -1)} is in ${repeated.places.join(' and ')}${where}; expected it once.`,
    {
      at: work.resource.at,
      details: { key: repeated.key, places: repeated.places },
      next: `${correct}, or set \`write: merge\`, by which the later row stays, or take \`primary_key\` out. The table is untouched.`,
    },
  );
}

/** Whether the time of a row says of which interval it is; where the path of its file does, each file may have the row again. */
function isSortedByTime({ type, path, http, interval }: ResourceConfig): boolean {
  if (type === 'files') return interval?.column !== undefined && !path.includes('{interval.');
  return type === 'postgres' || http?.byInterval === true;
}

interface Repeated {
  readonly key: string;
  /** Where it is, at most three of them. */
  readonly places: readonly string[];
}

async function repeatedAmong(session: Session, { resource, target, lines }: Publishing): Promise<Repeated | undefined> {
  if (lines.length < 2) return undefined;
  const key = resource.primaryKey.map((column) => `t.${identifier(column)}`);
  const [repeated] = await session.query<Repeated>(
    `SELECT jsonb_build_array(${key.join(', ')})::text AS key,
       (array_agg(l.path || ' row ' || t._row_number ORDER BY array_position($1::bigint[], t._load_id)))[1:3] AS places
     FROM ${qualified(target.schema, target.name)} AS t JOIN plumbline.loads AS l ON l.load_id = t._load_id
     WHERE t._load_id = ANY($1::bigint[]) GROUP BY ${key.join(', ')} HAVING count(*) > 1 LIMIT 1`,
    [lines.map(({ loadId }) => loadId)],
  );
  return repeated;
}

/** The new rows' keys, which are few beside the table's, are looked for in it. */
async function repeatedInTable(session: Session, work: Publishing): Promise<Repeated | undefined> {
  const { resource, target, lines, stages, isNew } = work;
  // Within a file it was looked for when the file was read.
  if (stages.length === 0 || (isNew && lines.length < 2)) return undefined;
  const table = qualified(target.schema, target.name);
  const [size] = await session.query<{ bytes: number }>('SELECT pg_relation_size($1)::float8 AS bytes', [table]);
  if (!isNew && size!.bytes > READ_BYTES) await ensureIndex(session, target, resource.primaryKey, '', '');
  const key = resource.primaryKey.map(identifier);
  const [repeated] = await session.query<Repeated>(
    `SELECT jsonb_build_array(${key.map((name) => `t.${name}`).join(', ')})::text AS key,
       ARRAY(SELECT path || ' row ' || row FROM (VALUES (t._load_id, t._row_number), (s._load_id, s._row_number)) AS p (load_id, row)
             JOIN plumbline.loads USING (load_id) ORDER BY load_id, row) AS places
     FROM (${freshKeys(work)}) AS s JOIN ${table} AS t USING (${key.join(', ')})
     WHERE (t._load_id, t._row_number) <> (s._load_id, s._row_number) LIMIT 1`,
  );
  return repeated;
}

/** A SELECT of the new rows' keys, as the table has them, with `_load_id` and `_row_number`. */
export function freshKeys({ resource, columns, stages }: Pick<Publishing, 'resource' | 'columns' | 'stages'>): string {
  const typed = ({ types }: UnitStage): string[] =>
    resource.primaryKey.map((name) => `${valueAs(identifier(name), columns.get(name)!, types?.get(name))} AS ${identifier(name)}`); // prettier-ignore
  return stages
    .map((stage) => `SELECT ${typed(stage).join(', ')}, _load_id, _row_number FROM ${sqlName(stage.table)} AS s`)
    .join(' UNION ALL ');
}
