import { performance } from 'node:perf_hooks';
import { PipelineError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Database, Session } from '../../model/database.js';
import type { Schemas } from '../../model/project.js';
import { assertSwappable } from '../publish/assert-swappable.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { onSession } from '../../model/on-session.js';
import { dropReplaced } from '../publish/drop-replaced.js';
import { dropUnlessInUse } from '../publish/drop-unless-in-use.js';
import { swapTable } from '../publish/swap-table.js';
import { shownName, sqlName, type TableName } from '../publish/table-name.js';
import { DataTestError } from '../tests/errors.js';
import { runTest, type TestResult } from '../tests/run-test.js';
import {
  leaveBuild,
  markPublished,
  markTested,
  openBuild,
  recordTests,
  type Build,
  type FinishedBuild,
} from './build-ledger.js';
import type { TransformNode } from './compile-transforms.js';
import { dropStage } from './drop-stage.js';
import { explainSqlError } from './sql-error.js';
import { stageName } from './stage-name.js';

export interface BuildOptions {
  readonly database: Database;
  readonly schemas: Schemas;
  readonly node: TransformNode;
  readonly runId: string;
  /** How long publishing may wait for open transactions of others. @default 300000 */
  readonly publishTimeoutMs?: number;
  /** Transforms that the same run builds after this one: their views may read the old table until then. */
  readonly builtLater?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransformProgress) => void;
  /**
   * Runs in the swap's transaction, after the ledger's mark: what it writes is there if, and only if, the new table is;
   * when it throws, nothing is published. Not called when an earlier attempt of the run has published. Called again,
   * after a rollback, when a lock was not to be had.
   */
  readonly onPublish?: (
    session: Session,
    result: Pick<TransformResult, 'table' | 'kind' | 'rows' | 'tests'>,
  ) => Promise<void>;
}

export interface TransformProgress {
  readonly step: 'building' | 'testing' | 'publishing';
  /** Name of the test that runs now. */
  readonly test?: string;
  /** What publishing waits for: `for 2 older transactions: pid 12 (ann report, since …), …`. */
  readonly waiting?: string;
}

export interface TransformResult {
  /** `schema.name` of what was published. */
  readonly table: string;
  readonly kind: 'view' | 'table';
  readonly rows: number;
  readonly tests: readonly TestResult[];
  readonly seconds: number;
  /** Changes with every publication, and only then. */
  readonly version: string;
}

/**
 * Builds a transform beside the published table, tests it there, then swaps it in: readers see the old table or the new,
 * tested one. Idempotent by (schema, name, run id): a second attempt drops what an earlier one left, publishes a stage
 * that was already tested, or gives the result of what was already published.
 *
 * Throws `ELT_SQL_ERROR` at the user's line, DataTestError, or what `swapTable` and `onPublish` throw; unless it succeeds the published
 * table is what it was and the stage is gone, except when what hindered its publication may pass.
 */
export async function buildTransform(options: BuildOptions): Promise<TransformResult> {
  const { database, schemas, node, runId, signal } = options;
  const target = { schema: schemas.main, name: node.name };
  const staged = stageName(schemas, node.name, runId);
  signal?.throwIfAborted();
  return database.session(async (session) => {
    const opened = await openBuild(database, session, node, { target, staged, runId });
    const { build } = opened;
    const result = (finished: FinishedBuild): TransformResult => ({
      table: shownName(target),
      kind: node.kind,
      ...finished,
      version: `${node.name}@${runId}`,
    });
    if (opened.earlier === 'published') return result(opened.finished);
    let isTested = false;
    try {
      // After a frozen predecessor was ended: it may hold the target's lock.
      await assertSwappable(database, target);
      const finished =
        opened.earlier === 'tested' && (await exists(session, staged))
          ? opened.finished
          : await cancelOnAbort(database, session, signal, () => buildAndTest(session, build, options));
      isTested = true;
      await failpoint('transform.before-publish');
      options.onProgress?.({ step: 'publishing' });
      // Cancelling needs another connection, so single statements stay the pool's.
      const pinned = { ...onSession(session), query: database.query.bind(database) };
      await swapTable(pinned, {
        staged,
        target,
        async beforeCommit(inSwap) {
          await markPublished(inSwap, build);
          const { table, kind, rows, tests } = result(finished);
          await options.onPublish?.(inSwap, { table, kind, rows, tests });
        },
        laggingViews: new Set(options.builtLater?.map((name) => shownName({ schema: schemas.main, name }))),
        onWait: (waitingFor) => options.onProgress?.({ step: 'publishing', waiting: `for ${waitingFor}` }),
        ...(options.publishTimeoutMs !== undefined && { publishTimeoutMs: options.publishTimeoutMs }),
        ...(signal && { signal }),
      });
      // It is published; what cannot be dropped now, the sweep takes.
      await dropReplaced(database, schemas.stage).catch(() => {});
      return result(finished);
    } catch (error) {
      // The connection may be what broke; then the next attempt or the sweep cleans up.
      await cleanUp(session, build, { error, isTested, kind: node.kind }).catch(() => {});
      throw error;
    }
  });
}

async function buildAndTest(session: Session, build: Build, options: BuildOptions): Promise<FinishedBuild> {
  const { node, signal, onProgress } = options;
  const started = performance.now();
  onProgress?.({ step: 'building' });
  await dropStage(session, build.staged);
  const rows = await create(session, node, build.staged);
  await failpoint('transform.after-build');
  const tests: TestResult[] = [];
  for (const test of node.tests) {
    signal?.throwIfAborted();
    onProgress?.({ step: 'testing', test: test.name });
    tests.push(await runTest(session, test, sqlName(build.staged)));
  }
  if (tests.some((test) => !test.passed)) {
    await recordTests(session, build, tests);
    throw new DataTestError(shownName(build.target), tests);
  }
  const finished = { rows, tests, seconds: (performance.now() - started) / 1000 };
  await markTested(session, build, finished);
  return finished;
}

/** @returns the number of rows */
async function create(session: Session, node: TransformNode, staged: TableName): Promise<number> {
  const name = sqlName(staged);
  const define = async (what: string): Promise<number> => {
    const prefix = `CREATE ${what} ${name} AS\n`;
    try {
      return await session.execute(prefix + node.sql);
    } catch (error) {
      throw explainSqlError(error, { file: node.file, lines: node.lines, prefix, sql: node.sql });
    }
  };
  return session.transaction(async () => {
    // A client frozen in here must not hold its locks for ever.
    await session.execute(`SET LOCAL idle_in_transaction_session_timeout = '10s'`);
    // The view first, for tables too: PostgreSQL then refuses whatever would write, WITH … DELETE included.
    await define('VIEW');
    if (node.kind === 'table') {
      await session.execute(`DROP VIEW ${name}`);
      return define('TABLE');
    }
    const [counted] = await session.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${name}`);
    return Number(counted?.rows ?? 0);
  });
}

interface Failure {
  readonly error: unknown;
  readonly isTested: boolean;
  readonly kind: TransformResult['kind'];
}

async function cleanUp(session: Session, build: Build, { error, isTested, kind }: Failure): Promise<void> {
  if (error instanceof PipelineError && error.code === 'ELT_BUILD_FENCED') return;
  // A tested stage waits for this run's next attempt when its publication may succeed then.
  const isKept = isTested && error instanceof PipelineError && !error.terminal;
  await leaveBuild(session, build, isKept ? 'tested' : 'failed');
  // Not longer than a moment: the sweep at the run's end takes what somebody still reads.
  if (!isKept) await dropUnlessInUse(session, { ...build.staged, kind: kind === 'view' ? 'v' : 'r' });
}

async function exists(session: Session, table: TableName): Promise<boolean> {
  const [row] = await session.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    sqlName(table),
  ]);
  return row?.found === true;
}
