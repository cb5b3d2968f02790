import { childTables } from '../../model/child-tables.js';
import type { Database, Session } from '../../model/database.js';
import type { ResourceConfig, Schemas } from '../../model/project.js';
import { qualified } from '../../model/sql-identifier.js';
import { intervalOfPath } from '../../model/interval-of-load.js';
import { isSnapshot } from '../merge/merge-key.js';
import { tableColumns } from '../schema/table-columns.js';
import {
  addLoads,
  heldBy,
  loadsById,
  newestLoads,
  READER_VERSION,
  settingsDigest,
  takeOver,
  type Held,
  type LedgerLine,
  type LoadKey,
} from './ledger.js';
import { LoadFencedError } from './load-fenced-error.js';
import { otherSource } from './other-source.js';
import type { ExtractedObject } from './load-result.js';
import { childStagesOf, keysName, stageName, stageOf } from './stage-table.js';

export interface ClaimOptions {
  readonly database: Database;
  readonly env: string;
  readonly project: string;
  readonly schemas: Schemas;
  readonly resource: ResourceConfig;
  readonly object: Pick<ExtractedObject, 'path' | 'sha256' | 'interval' | 'isShortened'>;
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
  return (await claimLoads(session, options, [options.object]))[0]!;
}

/** The same for several objects, in their order, with as many statements. */
export async function claimLoads(
  session: Session,
  options: Omit<ClaimOptions, 'object'>,
  objects: readonly ClaimOptions['object'][],
): Promise<Claim[]> {
  const { env, project, resource, runId } = options;
  const key: LoadKey = { env, project, resource: resource.id };
  const wanted = objects.map((object) => ({ ...object, unit: unitOf(object) }));
  const units = wanted.map(({ unit }) => unit);
  const settings = settingsDigest(resource);
  const newest = await newestLoads(session, key, units);
  // Of a snapshot that rows can be gone from, what is unchanged has to be seen too.
  const force = options.force === true || isSnapshot(resource);
  const isSpent = await spent(session, newest, settings, { ...options, force });
  const missing = wanted.flatMap(({ unit, path, sha256, interval, isShortened }) => {
    const before = newest.get(unit);
    const isWhole = before?.status !== 'published' || isShortened !== true;
    if (before !== undefined && isWhole && !isSpent(before)) return [];
    return [{ unit, generation: (before?.generation ?? 0) + 1, path, sha256, interval }];
  });
  const by = { settings, stageSchema: options.schemas.stage, runId, forced: force };
  const added = missing.length === 0 ? [] : await addLoads(session, key, missing, by);
  const claims = new Map<string, Claim>(added.map((line) => [line.unit, { line, done: false }]));
  const there =
    added.length === missing.length
      ? newest
      : await newestLoads(session, key, units.filter((unit) => !claims.has(unit))); // prettier-ignore
  const others = [...there.values()].filter(({ unit }) => !claims.has(unit));
  for (const claim of await claimThere(session, others, settings, options)) claims.set(claim.line.unit, claim);
  return wanted.map(({ unit, path }) => {
    const claim = claims.get(unit);
    if (claim === undefined) throw new LoadFencedError(`Load of ${path}`, { unit });
    return claim;
  });
}

/** The same content is a load for each interval that it is read for. */
export function unitOf({ path, sha256, interval }: Pick<ExtractedObject, 'path' | 'sha256' | 'interval'>): string {
  const of = interval === undefined || intervalOfPath(path) !== undefined ? '' : ` ${interval.start}/${interval.end}`;
  return `${path}@${sha256}${of}`;
}

/** Lines that are there: what is done stays, what another attempt began is gone on with or begun anew. */
async function claimThere(
  session: Session,
  lines: readonly LedgerLine[],
  settings: string,
  options: Pick<ClaimOptions, 'schemas' | 'runId' | 'signal'>,
): Promise<Claim[]> {
  const stages = await existingStages(session, options.schemas.stage, lines);
  const fits = (line: LedgerLine): boolean =>
    stages.has(stageOf(options.schemas.stage, line).name) &&
    line.settings === settings &&
    line.reader?.version === READER_VERSION;
  const isDone = (line: LedgerLine): boolean => line.status === 'published' || (line.status === 'staged' && fits(line));
  const open = lines.filter((line) => !isDone(line));
  const held = open.length === 0 ? [] : await takeOver(session, open, options.runId, options.signal);
  const goesOn = new Set(open.filter((line) => line.status === 'loading' && fits(line)).map(({ loadId }) => loadId));
  const anew = held.filter(({ loadId }) => !goesOn.has(loadId));
  const kept = held.filter(({ loadId }) => goesOn.has(loadId));
  return [
    ...lines.filter(isDone).map((line) => ({ line, done: true })),
    ...(await readAgain(session, kept)).map((line) => ({ line, done: line.status === 'staged' })),
    ...(await beginAnew(session, anew, settings)).map((line) => ({ line, done: false })),
  ];
}

/** The former writer may have committed a chunk between our reading and its end. */
async function readAgain(session: Session, held: readonly Held[]): Promise<LedgerLine[]> {
  if (held.length === 0) return [];
  const lines = await loadsById(session, held.map(({ loadId }) => loadId)); // prettier-ignore
  const lost = held.find(({ loadId, token }) => !lines.some((line) => line.loadId === loadId && line.token === token));
  if (lost !== undefined) throw new LoadFencedError(`Load ${lost.loadId}`, { loadId: lost.loadId });
  return lines;
}

async function existingStages(
  session: Session,
  schema: string,
  lines: readonly LedgerLine[],
): Promise<ReadonlySet<string>> {
  const names = lines
    .filter(({ status }) => status === 'loading' || status === 'staged')
    .map((line) => stageOf(schema, line).name);
  if (names.length === 0) return new Set();
  const found = await session.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = ANY($2) AND c.relkind = 'r'`,
    [schema, names],
  );
  return new Set(found.map(({ name }) => name));
}

/** Tells lines that stand for nothing any more: their content is loaded under a new generation. */
async function spent(
  session: Session,
  newest: ReadonlyMap<string, LedgerLine>,
  settings: string,
  { force, runId, env, project, schemas, resource }: Omit<ClaimOptions, 'object'>,
): Promise<(line: LedgerLine) => boolean> {
  const isPublished = [...newest.values()].some(({ status }) => status === 'published');
  const isGone = isPublished && !(await isThere(session, { env, project }, schemas, resource));
  return (line) =>
    line.status === 'replaced' ||
    (line.status === 'published' &&
      ((force === true && line.forcedBy !== runId) || line.settings !== settings || isGone));
}

async function isThere(
  session: Session,
  of: Pick<LoadKey, 'env' | 'project'>,
  { raw }: Schemas,
  resource: ResourceConfig,
): Promise<boolean> {
  // What another source has put into a table of that name is not of these loads.
  if (
    (await otherSource(session, { ...of, resource: resource.id }, { schema: raw, name: resource.table })) !== undefined
  )
    return false;
  for (const { table } of [resource, ...childTables(resource)])
    if ((await tableColumns(session, raw, table)) === undefined) return false;
  return true;
}

/** Whatever failed or outdated attempts left of these loads goes; the lines start from their first row. */
export async function beginAnew(session: Session, held: readonly Held[], settings: string): Promise<LedgerLine[]> {
  if (held.length === 0) return [];
  return session.transaction(async () => {
    const begun = await session.query<{ loadId: string; schema: string }>(
      `UPDATE plumbline.loads AS l SET status = 'loading', settings = $3, next_chunk = 0, next_row = 1, reader = NULL, stage_table = NULL,
         rows_read = 0, rows_loaded = 0, rows_rejected = 0, rows_duplicate = 0, rows_outside = 0, rows_forgotten = 0, discarded = '{}', error = NULL, staged_at = NULL
       FROM unnest($1::bigint[], $2::bigint[]) AS held (load_id, token)
       WHERE l.load_id = held.load_id AND l.token = held.token AND status IN ('loading', 'staged', 'failed')
       RETURNING l.load_id AS "loadId", stage_schema AS schema`,
      [...heldBy(held), settings],
    );
    const lost = held.find(({ loadId }) => !begun.some((one) => one.loadId === loadId));
    if (lost !== undefined) throw new LoadFencedError(`Load ${lost.loadId}`, { loadId: lost.loadId });
    const ids = begun.map(({ loadId }) => loadId);
    await session.execute('DELETE FROM plumbline.rejects WHERE load_id = ANY($1::bigint[])', [ids]);
    const tables = begun.flatMap(({ loadId, schema }) => {
      const stage = stageName(schema, loadId);
      return [stage, keysName(stage)].map(({ name }) => qualified(schema, name));
    });
    for (const schema of new Set(begun.map((one) => one.schema)))
      tables.push(...(await childStagesOf(session, schema, ids)).map(({ name }) => qualified(schema, name)));
    await session.execute(`DROP TABLE IF EXISTS ${tables.join(', ')}`);
    return loadsById(session, ids);
  });
}
