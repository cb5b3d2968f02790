import type { Database, Session } from '../../model/database.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import { isSnapshot } from '../merge/merge-key.js';
import { tableColumns } from '../schema/table-columns.js';
import {
  addLoad,
  loadsById,
  newestLoad,
  READER_VERSION,
  settingsDigest,
  takeOver,
  type LedgerLine,
  type LoadKey,
} from './ledger.js';
import { intervalOfPath } from './interval-of-path.js';
import { LoadFencedError } from './load-fenced-error.js';
import type { ExtractedObject } from './load-result.js';
import { keysName, stageName } from './stage-table.js';

export interface ClaimOptions {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  readonly schemas: Schemas;
  readonly resource: ResourceConfig;
  readonly object: Pick<ExtractedObject, 'path' | 'sha256' | 'interval'>;
  /** Who asks; no part of the load key. */
  readonly runId: string;
  /** Loads content anew that was loaded before. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

export interface Claim {
  readonly line: LedgerLine;
  /** Staged or published already: nothing to read. */
  readonly done: boolean;
}

/** Finds or adds the ledger's line of an object and makes `session` its only writer. Throws LoadFencedError. */
export async function claimLoad(session: Session, options: ClaimOptions): Promise<Claim> {
  const { env, project, resource, object, runId } = options;
  const key: LoadKey = { env, project, resource: resource.id, unit: unitOf(object) };
  const settings = settingsDigest(resource);
  const newest = await newestLoad(session, key);
  // Of a snapshot that rows can be gone from, what is unchanged has to be seen too.
  const force = options.force === true || isSnapshot(resource);
  const isSpent = newest !== undefined && (await mustLoadAnew(session, newest, settings, { ...options, force }));
  if (newest === undefined || isSpent)
    await addLoad(session, key, {
      generation: (newest?.generation ?? 0) + 1,
      path: object.path,
      sha256: object.sha256,
      settings,
      stageSchema: options.schemas.stage,
      runId,
      forced: force,
      interval: object.interval,
    });
  const line = isSpent || newest === undefined ? await newestLoad(session, key) : newest;
  if (line === undefined) throw new LoadFencedError(`Load of ${object.path}`, { unit: key.unit });
  if (line.status === 'published') return { line, done: true };

  const stage = stageName(options.schemas.stage, line.loadId);
  const hasStage = (await tableColumns(session, stage.schema, stage.name)) !== undefined;
  const fits = hasStage && line.settings === settings && line.reader?.version === READER_VERSION;
  if (line.status === 'staged' && fits) return { line, done: true };
  const token = await takeOver(session, line, runId, options.signal);
  if (line.status === 'loading' && fits) {
    // The former writer may have committed a chunk between our reading and its end.
    const current = await newestLoad(session, key);
    if (current?.token !== token) throw new LoadFencedError(`Load ${line.loadId}`, { loadId: line.loadId });
    return { line: current, done: current.status === 'staged' };
  }
  return { line: await beginAnew(session, line.loadId, token, settings), done: false };
}

/** The same content is a load for each interval that it is read for. */
function unitOf({ path, sha256, interval }: ClaimOptions['object']): string {
  const of = interval === undefined || intervalOfPath(path) !== undefined ? '' : ` ${interval.start}/${interval.end}`;
  return `${path}@${sha256}${of}`;
}

async function mustLoadAnew(
  session: Session,
  line: LedgerLine,
  settings: string,
  options: ClaimOptions,
): Promise<boolean> {
  if (line.status === 'replaced') return true;
  if (line.status !== 'published') return false;
  if (options.force === true && line.forcedBy !== options.runId) return true;
  return (
    line.settings !== settings ||
    (await tableColumns(session, options.schemas.raw, options.resource.table)) === undefined
  );
}

/** Whatever a failed or outdated attempt left of this load goes; the line starts from its first row. */
export async function beginAnew(
  session: Session,
  loadId: string,
  token: string,
  settings: string,
): Promise<LedgerLine> {
  return session.transaction(async () => {
    const lines = await session.query<{ schema: string }>(
      `UPDATE plumbline.loads SET status = 'loading', settings = $3, next_chunk = 0, next_row = 1, reader = NULL, stage_table = NULL,
         rows_read = 0, rows_loaded = 0, rows_rejected = 0, rows_duplicate = 0, rows_outside = 0, rows_forgotten = 0, discarded = '{}', error = NULL, staged_at = NULL
       WHERE load_id = $1 AND token = $2 AND status IN ('loading', 'staged', 'failed')
       RETURNING stage_schema AS schema`,
      [loadId, token, settings],
    );
    const line = (await loadsById(session, [loadId]))[0];
    if (lines[0] === undefined || line === undefined) throw new LoadFencedError(`Load ${loadId}`, { loadId });
    await session.execute('DELETE FROM plumbline.rejects WHERE load_id = $1', [loadId]);
    const stage = stageName(lines[0].schema, loadId);
    await session.execute(
      `DROP TABLE IF EXISTS ${qualified(stage.schema, stage.name)}, ${qualified(stage.schema, keysName(stage).name)}`,
    );
    return line;
  });
}
