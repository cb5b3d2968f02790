import { setTimeout as sleep } from 'node:timers/promises';
import { TransientError } from '../../errors.js';
import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Database, Session } from '../../model/database.js';
import type { TestResult } from '../tests/run-test.js';
import { shownName, type TableName } from '../publish/table-name.js';
import type { TransformNode } from './compile-transforms.js';

/** One attempt to build a transform in a run; `token` fences it against later attempts. */
export interface Build {
  readonly target: TableName;
  readonly staged: TableName;
  readonly runId: string;
  readonly token: string;
}

export interface FinishedBuild {
  readonly rows: number;
  readonly tests: readonly TestResult[];
  readonly seconds: number;
}

export interface OpenedBuild {
  readonly build: Build;
  /** How far an earlier attempt of the same run came with the same SQL and tests. */
  readonly earlier: 'nothing' | 'tested' | 'published';
  readonly finished: FinishedBuild;
  /** The run whose finished stage is taken over. */
  readonly builtBy?: string;
}

/** How long a finished stage that could not be published waits for a later run. */
const KEPT_FOR = '1 day';

/**
 * Takes the build over: ends the connection of an earlier attempt (a zombie may be frozen in any statement), waits until
 * it is gone, then raises the token.
 */
export async function openBuild(
  database: Database,
  session: Session,
  node: TransformNode,
  names: {
    readonly target: TableName;
    readonly staged: TableName;
    readonly runId: string;
    /** Fingerprint of all that the build depends on. */
    readonly inputs?: string | undefined;
  },
): Promise<OpenedBuild> {
  const { target, staged, runId, inputs } = names;
  await endPredecessor(database, session, target, runId);
  const [row] = await session.query<FinishedBuild & { token: string; earlier: OpenedBuild['earlier']; stage: string }>(
    `INSERT INTO plumbline.transform_builds AS b
       (schema, name, run_id, token, pid, backend_start, status, digest, kind, stage_schema, stage_name, inputs)
     VALUES ($1, $2, $3, 1, $4, $5, 'building', $6, $7, $8, $9, $10)
     ON CONFLICT (schema, name, run_id) DO UPDATE SET
       token = b.token + 1, pid = excluded.pid, backend_start = excluded.backend_start,
       status = CASE WHEN b.digest = excluded.digest AND b.status IN ('tested', 'published') THEN b.status ELSE 'building' END,
       digest = excluded.digest, kind = excluded.kind, inputs = excluded.inputs, kept_until = NULL,
       started_at = now(), ended_at = NULL
     RETURNING token, stage_name AS stage, coalesce(rows, 0)::float8 AS rows, coalesce(tests, '[]') AS tests, coalesce(seconds, 0) AS seconds,
       CASE status WHEN 'building' THEN 'nothing' ELSE status END AS earlier`,
    [
      target.schema,
      target.name,
      runId,
      session.pid,
      session.backendStart,
      node.digest,
      node.kind,
      staged.schema,
      staged.name,
      inputs ?? null,
    ],
  );
  if (row === undefined) throw new Error('INSERT … RETURNING gave no row');
  const { token, earlier, stage, ...finished } = row;
  // Not its own name, when an earlier attempt took over what another run had built.
  const build = { target, staged: { schema: staged.schema, name: stage }, runId, token };
  if (earlier !== 'nothing') return { build, earlier, finished };
  const kept = await takeKeptStage(session, build, node, inputs);
  return kept ?? { build, earlier, finished };
}

/**
 * What an earlier run finished and could not publish becomes this build's own, if it was made of the same code and inputs.
 * Otherwise it is kept no longer, so nothing older than what is published can be taken: the sweep drops it.
 */
async function takeKeptStage(
  session: Session,
  build: Build,
  node: TransformNode,
  inputs: string | undefined,
): Promise<OpenedBuild | undefined> {
  const { target, runId } = build;
  return session.transaction(async () => {
    const [kept] = await session.query<FinishedBuild & { runId: string; stage: string }>(
      `SELECT b.run_id AS "runId", b.stage_name AS stage, b.rows::float8 AS rows, b.tests, b.seconds
       FROM plumbline.transform_builds b
       JOIN pg_namespace n ON n.nspname = b.stage_schema
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = b.stage_name
       WHERE b.schema = $1 AND b.name = $2 AND b.run_id <> $3 AND b.status = 'tested' AND b.kept_until IS NOT NULL
         AND b.digest = $4 AND b.kind = $5 AND b.inputs = $6 AND b.stage_schema = $7
         AND NOT EXISTS (SELECT FROM plumbline.runs r WHERE r.run_id = b.run_id AND r.status = 'running')
       ORDER BY b.ended_at DESC LIMIT 1 FOR UPDATE OF b`,
      [target.schema, target.name, runId, node.digest, node.kind, inputs ?? null, build.staged.schema],
    );
    // The token of the former owner grows, so that whatever of it still lives is fenced; its stage is not its own any more.
    await session.execute(
      `UPDATE plumbline.transform_builds SET status = 'failed', kept_until = NULL, token = token + 1,
         stage_name = CASE stage_name WHEN $4 THEN '' ELSE stage_name END
       WHERE schema = $1 AND name = $2 AND run_id <> $3 AND kept_until IS NOT NULL`,
      [target.schema, target.name, runId, kept?.stage ?? ''],
    );
    if (kept === undefined) return undefined;
    const { runId: builtBy, stage, ...finished } = kept;
    const taken = { ...build, staged: { schema: build.staged.schema, name: stage } };
    await change(session, taken, `status = 'tested', rows = $5, tests = $6, seconds = $7, stage_name = $8`, [
      finished.rows,
      JSON.stringify(finished.tests),
      finished.seconds,
      stage,
    ]);
    return { build: taken, earlier: 'tested', finished, builtBy };
  }, ENDS_WHEN_FROZEN);
}

/** `building` → `tested`, with the results. Loses with `ELT_BUILD_FENCED` when another attempt has taken over. */
export function markTested(session: Session, build: Build, finished: FinishedBuild): Promise<void> {
  return change(session, build, `status = 'tested', rows = $5, tests = $6, seconds = $7`, [
    finished.rows,
    JSON.stringify(finished.tests),
    finished.seconds,
  ]);
}

export function recordTests(session: Session, build: Build, tests: readonly TestResult[]): Promise<void> {
  return change(session, build, 'tests = $5', [JSON.stringify(tests)]);
}

/** After an error. The connection goes back to its pool, so the next attempt must not take it for a zombie's. */
export function leaveBuild(session: Session, build: Build, outcome: 'failed' | 'tested'): Promise<void> {
  return change(session, build, `pid = 0, status = $5, ended_at = now()`, [outcome]);
}

/** After a publication that was given up: the stage waits for a later run. */
export function keepBuild(session: Session, build: Build): Promise<void> {
  return change(session, build, `pid = 0, ended_at = now(), kept_until = now() + interval '${KEPT_FOR}'`, []);
}

/** Runs in the swap's transaction, so a zombie cannot publish over its successor. */
export function markPublished(session: Session, build: Build): Promise<void> {
  return change(session, build, `status = 'published', ended_at = now()`, []);
}

async function change(session: Session, build: Build, assignments: string, values: unknown[]): Promise<void> {
  const changed = await session.execute(
    `UPDATE plumbline.transform_builds SET ${assignments} WHERE schema = $1 AND name = $2 AND run_id = $3 AND token = $4`,
    [build.target.schema, build.target.name, build.runId, build.token, ...values],
  );
  if (changed !== 1) {
    throw new TransientError(
      'ELT_BUILD_FENCED',
      `Building ${shownName(build.target)} in run ${build.runId} was taken over by another attempt; this one ends.`,
      { next: 'Nothing to do: the other attempt goes on.' },
    );
  }
}

async function endPredecessor(database: Database, session: Session, target: TableName, runId: string): Promise<void> {
  const alive = `
    SELECT a.pid FROM plumbline.transform_builds b
    JOIN pg_stat_activity a ON a.pid = b.pid AND a.backend_start = b.backend_start
    WHERE b.schema = $1 AND b.name = $2 AND b.run_id = $3 AND a.pid <> $4 AND b.status IN ('building', 'tested')`;
  const parameters = [target.schema, target.name, runId, session.pid];
  for (let attempt = 0; attempt < 100; attempt++) {
    const predecessors = await database.query<{ pid: number }>(alive, parameters);
    if (predecessors.length === 0) return;
    for (const { pid } of predecessors) await database.query('SELECT pg_terminate_backend($1)', [pid]);
    await sleep(50);
  }
  throw new TransientError(
    'ELT_WRITER_STUCK',
    `A former attempt at building ${shownName(target)} in run ${runId} keeps its connection after 5 s.`,
  );
}
