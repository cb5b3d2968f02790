import { Readable } from 'node:stream';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { RowSource } from '../read/row-source.js';
import { wholeCopy } from '../read/whole-copy.js';
import { checkKeys, type TakenOut } from './check-keys.js';
import type { LedgerLine } from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import { mostRejected } from './most-rejected.js';
import type { WholeObject } from './read-whole.js';
import { refusedLine } from './refused-row.js';
import { addRejects } from './rejects.js';
import { createGroupStage, type StageName } from './stage-table.js';
import { plural } from '../../model/plural.js';

/** One object's rows; the objects of a group have one format. */
export interface GroupedObject extends WholeObject, Pick<RowSource, 'lineOf'> {
  readonly line: LedgerLine;
  /** Of forgotten keys, before the object was read. */
  readonly rowsTakenOut: number;
}

/** Objects that cannot be loaded with others; nothing of the transaction is left. */
export class LeavesGroup extends Error {
  constructor(readonly paths: readonly string[]) {
    super(`${paths.join(', ')} cannot be loaded with others`);
    this.name = 'LeavesGroup';
  }
}

/**
 * One transaction for whole objects of the same columns and format: their rows by COPY, quarantined rows, then all their lines of the ledger by compare-and-set,
 * which makes them `staged`. Gives the lines. Throws LoadFencedError when one of them is not where this attempt left it, LeavesGroup;
 * both leave nothing behind.
 */
export async function commitGroup(
  session: Session,
  group: {
    readonly resource: ResourceConfig;
    readonly stage: StageName;
    /** The stage is made here. */
    readonly isNew: boolean;
    readonly objects: readonly GroupedObject[];
    readonly signal: AbortSignal | undefined;
  },
): Promise<LedgerLine[]> {
  const { resource, stage, isNew, objects, signal } = group;
  const { columns } = objects[0]!.reader;
  const lines = await session.transaction(async () => {
    if (isNew) await createGroupStage(session, stage, columns);
    await copyRows(session, stage, objects, signal);
    for (const { line, faults } of objects) await addRejects(session, line.loadId, line.path, 'rejected', faults);
    const loads = objects.map(({ line: { loadId, path }, lineOf }) => ({ loadId, path, lineOf }));
    const taken = await checkKeys({ session, stage, columns, resource, keyIsProven: false, loads });
    const staged = objects.map((object) => stagedLine(object, stage, taken.get(object.line.loadId)));
    const excess = staged.filter((line) => line.rowsRejected > mostRejected(resource, line.rowsRead));
    if (excess.length > 0) throw new LeavesGroup(excess.map(({ path }) => path));
    await failpoint('group.after-copy');
    await markStaged(session, staged);
    await failpoint('group.before-commit');
    return staged;
  });
  await failpoint('group.after-commit');
  return lines;
}

async function copyRows(
  session: Session,
  { schema, name }: StageName,
  objects: readonly GroupedObject[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const rows = objects.reduce((sum, object) => sum + object.rows, 0);
  if (rows === 0) return;
  const { reader, format } = objects[0]!;
  const { columns } = reader;
  const names = ['_load_id', '_row_number', ...columns.map((column) => column.name)].map(identifier).join(', ');
  let copied: number;
  try {
    copied = await session.copyFrom(
      `COPY ${qualified(schema, name)} (${names}) FROM STDIN (FORMAT ${format}, ENCODING 'UTF8')`,
      Readable.from(wholeCopy(format, blocksOf(objects)), { objectMode: false }),
      signal === undefined ? {} : { signal },
    );
  } catch (error) {
    let left = refusedLine(error)?.line ?? Infinity;
    const refused = objects.find((object) => (left -= object.rows) <= 0);
    throw refused === undefined ? error : new LeavesGroup([refused.line.path]);
  }
  if (copied === rows) return;
  throw new TerminalError(
    'ELT_ROW_COUNT',
    `Loading ${objects.length} ${plural(objects.length, 'object')} failed: ${rows} ${plural(rows, 'row was', 'rows were')} read, ${copied} are in the stage.`,
    {
      details: { loadIds: objects.map(({ line }) => line.loadId) },
      next: 'Run again with --force; if it happens again, report it with the files.',
    },
  );
}

async function* blocksOf(objects: readonly GroupedObject[]): AsyncGenerator<Buffer> {
  for (const [index, { blocks }] of objects.entries()) {
    yield* blocks;
    if (index === 0) await failpoint('group.mid-copy');
  }
}

/** Rows read = loaded + rejected + duplicate + forgotten, by what was counted on the way. */
function stagedLine(
  { line, reader, rows, rowsTakenOut, faults, discarded }: GroupedObject,
  stage: StageName,
  { keyless, duplicate }: TakenOut = { keyless: 0, duplicate: 0 },
): LedgerLine {
  return {
    ...line,
    status: 'staged',
    reader,
    stageTable: stage.name,
    nextChunk: 1,
    nextRow: reader.rows + 1,
    rowsRead: reader.rows + rowsTakenOut,
    rowsLoaded: rows - keyless - duplicate,
    rowsRejected: faults.length + keyless,
    rowsDuplicate: duplicate,
    rowsForgotten: rowsTakenOut,
    discarded,
  };
}

async function markStaged(session: Session, lines: readonly LedgerLine[]): Promise<void> {
  const changed = await session.execute(
    `UPDATE plumbline.loads AS l SET status = 'staged', staged_at = now(), writer_pid = NULL, writer_backend_start = NULL, reader = s.reader, stage_table = s."stageTable", next_chunk = s."nextChunk",
       next_row = s."nextRow", rows_read = s."rowsRead", rows_loaded = s."rowsLoaded", rows_rejected = s."rowsRejected",
       rows_duplicate = s."rowsDuplicate", rows_forgotten = s."rowsForgotten", discarded = s.discarded
     FROM jsonb_to_recordset($1) AS s ("loadId" bigint, token bigint, reader jsonb, "stageTable" text, "nextChunk" integer, "nextRow" bigint,
       "rowsRead" bigint, "rowsLoaded" bigint, "rowsRejected" bigint, "rowsDuplicate" bigint, "rowsForgotten" bigint, discarded jsonb)
     WHERE l.load_id = s."loadId" AND l.token = s.token AND l.next_chunk = 0 AND l.status = 'loading'`,
    [JSON.stringify(lines)],
    { isKept: true },
  );
  if (changed === lines.length) return;
  const loadIds = lines.map(({ loadId }) => loadId);
  throw new LoadFencedError(`One of ${lines.length} loads, the first of which is ${loadIds[0]},`, { loadIds });
}
