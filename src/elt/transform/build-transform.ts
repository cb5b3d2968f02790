import { performance } from 'node:perf_hooks';
import { PipelineError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Database, Session } from '../../model/database.js';
import type { Schemas, SnapshotConfig } from '../../model/project.js';
import { assertSwappable } from '../publish/assert-swappable.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { identifier } from '../../model/sql-identifier.js';
import { onSession } from '../../model/on-session.js';
import { dropReplaced } from '../publish/drop-replaced.js';
import { dropUnlessInUse } from '../publish/drop-unless-in-use.js';
import { swapTable } from '../publish/swap-table.js';
import { shownName, sqlName, type TableName } from '../publish/table-name.js';
import { DataTestError } from '../tests/errors.js';
import { isRefused, runTest, type TestResult } from '../tests/run-test.js';
import {
  keepBuild,
  leaveBuild,
  markPublished,
  markTested,
  openBuild,
  recordTests,
  type Build,
  type FinishedBuild,
} from './build-ledger.js';
import type { TransformNode } from './compile-transforms.js';
import { applyIncrement } from './apply-increment.js';
import { applySnapshot } from './apply-snapshot.js';
import { assertIncrementKey, assertInside, compareColumns } from './assert-increment.js';
import { assertNoHistory, stageSnapshot } from './stage-snapshot.js';
import { createStage } from './create-stage.js';
import { dropStage } from './drop-stage.js';
import { extendTable } from './extend-table.js';
import { publishIncrement } from './publish-increment.js';
import { stageName } from './stage-name.js';

export interface BuildOptions {
  readonly database: Database;
  readonly schemas: Schemas;
  readonly node: TransformNode;
  readonly runId: string;
  /**
   * Put new rows into the incremental table that is there, rather than build it whole. Without effect when there is none
   * or the transform is not incremental. @default false
   */
  readonly isIncremental?: boolean;
  /**
   * Fingerprint of all that the build depends on. With it, a finished table that could not be published in time is kept
   * for a day, and one that an earlier run left is published instead of building again.
   */
  readonly inputs?: string;
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
    result: Pick<TransformResult, 'table' | 'kind' | 'rows' | 'tests' | 'incrementRows'>,
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
  /** Rows the SELECT gave to the table that was there; absent when it was built whole. */
  readonly incrementRows?: number;
  /** The earlier run that had built and tested it, when its finished stage was published. */
  readonly builtBy?: string;
  /** Changes with every publication, and only then. */
  readonly version: string;
}

/**
 * Builds a transform beside the published table, tests it there, then swaps it in: readers see the old table or the new,
 * tested one. Of an incremental table or a snapshot only the new rows are built beside, then put in and tested in one
 * transaction. Idempotent by (schema, name, run id): a second attempt drops what an earlier one left, publishes a stage
 * that was already tested, or gives the result of what was already published.
 *
 * Throws `ELT_SQL_ERROR` at the user's line, `ELT_INCREMENT_*`, `ELT_SNAPSHOT_*`, DataTestError, or what `swapTable` and
 * `onPublish` throw; unless it succeeds the published table is what it was and the stage is gone, except when what
 * hindered its publication may pass, or takes longer than it may and `inputs` says what it was made of.
 */
export async function buildTransform(options: BuildOptions): Promise<TransformResult> {
  const { database, schemas, node, runId, signal } = options;
  const target = { schema: schemas.main, name: node.name };
  const staged = stageName(schemas, node.name, runId);
  signal?.throwIfAborted();
  return database.session(async (session) => {
    const opened = await openBuild(database, session, node, { target, staged, runId, inputs: options.inputs });
    const { build, builtBy } = opened;
    const result = ({ isPublished: _isPublished, ...finished }: Built): TransformResult => ({
      table: shownName(target),
      kind: node.kind,
      ...finished,
      ...(builtBy === undefined ? {} : { builtBy }),
      version: `${node.name}@${runId}`,
    });
    if (opened.earlier === 'published') return result(opened.finished);
    let isTested = false;
    try {
      // After a frozen predecessor was ended: it may hold the target's lock.
      await assertSwappable(database, target);
      const finished: Built =
        opened.earlier === 'tested' && (await exists(session, build.staged))
          ? opened.finished
          : await cancelOnAbort(database, session, signal, () => buildAndTest(session, build, options));
      if (finished.isPublished === true) return result(finished);
      isTested = true;
      await failpoint('transform.before-publish');
      options.onProgress?.({ step: 'publishing' });
      // Cancelling needs another connection, so single statements stay the pool's.
      const pinned = { ...onSession(session), query: database.query.bind(database) };
      await swapTable(pinned, {
        staged: build.staged,
        target,
        async beforeCommit(inSwap) {
          await markPublished(inSwap, build);
          const { seconds: _seconds, version: _version, builtBy: _builtBy, ...published } = result(finished);
          await options.onPublish?.(inSwap, published);
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
      await cleanUp(session, build, {
        error,
        isTested,
        kind: node.kind,
        isKept: options.inputs !== undefined && node.kind === 'table',
      }).catch(() => {});
      throw error;
    }
  });
}

interface Built extends FinishedBuild {
  readonly incrementRows?: number;
  /** The new rows went into the table that is there, so nothing is left to swap in. */
  readonly isPublished?: boolean;
}

async function buildAndTest(session: Session, build: Build, options: BuildOptions): Promise<Built> {
  const { node, onProgress } = options;
  const started = performance.now();
  onProgress?.({ step: 'building' });
  await dropStage(session, build.staged);
  if (node.incremental !== undefined && options.isIncremental === true && (await isTable(session, build.target)))
    return addRows(session, build, options, node.incremental);
  const rows = await createStage(session, node, build.staged);
  await failpoint('transform.after-build');
  if (node.snapshot !== undefined) return addStates(session, build, options, node.snapshot);
  await assertNoHistory(session, node, build);
  if (node.incremental !== undefined)
    await assertIncrementKey(session, { ...node, config: node.incremental }, build.staged);
  if (node.incremental?.interval !== undefined && node.isByInterval)
    await assertInside(session, { ...node, config: node.incremental }, node.incremental.interval, build.staged);
  return testStage(session, build, options, rows, started);
}

async function addRows(
  session: Session,
  build: Build,
  options: BuildOptions,
  config: NonNullable<TransformNode['incremental']>,
): Promise<Built> {
  const { node } = options;
  const { target, staged } = build;
  const started = performance.now();
  const increment = { name: node.name, file: node.file, config };
  const incrementRows = await createStage(session, { ...node, sql: config.sql, lines: config.lines }, staged);
  await failpoint('transform.after-build');
  await assertIncrementKey(session, increment, staged);
  if (config.interval !== undefined) await assertInside(session, increment, config.interval, staged);
  const { columns, added } = await compareColumns(session, increment, target, staged);
  if (added.length === 0) {
    const apply = async (): Promise<number> => {
      await applyIncrement(session, config, columns, build.staged, build.target);
      return incrementRows;
    };
    const published = await publishIncrement(session, build, { ...options, apply });
    return { ...published, isPublished: true };
  }
  // A new column locks readers out, so it is published as a whole table is: beside, then in one swap.
  const rows = await extendTable(session, config, { target, staged, columns });
  return { ...(await testStage(session, build, options, rows, started)), incrementRows };
}

async function addStates(
  session: Session,
  build: Build,
  options: BuildOptions,
  config: SnapshotConfig,
): Promise<Built> {
  const { target, staged } = build;
  const { name, file } = options.node;
  const started = performance.now();
  const snapshot = await stageSnapshot(session, config, { name, file, target, staged });
  if (snapshot.kind === 'increment') {
    const apply = (): Promise<number> => applySnapshot(session, config, snapshot.columns, staged, target);
    const published = await publishIncrement(session, build, { ...options, apply });
    return { ...published, isPublished: true };
  }
  return { ...(await testStage(session, build, options, snapshot.rows, started)), incrementRows: snapshot.began };
}

async function testStage(
  session: Session,
  build: Build,
  { node, signal, onProgress }: BuildOptions,
  rows: number,
  started: number,
): Promise<FinishedBuild> {
  const tests: TestResult[] = [];
  for (const test of node.tests) {
    signal?.throwIfAborted();
    onProgress?.({ step: 'testing', test: test.name });
    tests.push(await runTest(session, test, sqlName(build.staged)));
  }
  if (isRefused(tests)) {
    await recordTests(session, build, tests);
    throw new DataTestError(shownName(build.target), tests);
  }
  const finished = { rows, tests, seconds: (performance.now() - started) / 1000 };
  await markTested(session, build, finished);
  return finished;
}

interface Failure {
  readonly error: unknown;
  readonly isTested: boolean;
  readonly kind: TransformResult['kind'];
  /** Whether a finished stage waits for a later run when its publication is given up; a view would hold up what it reads. */
  readonly isKept: boolean;
}

async function cleanUp(session: Session, build: Build, failure: Failure): Promise<void> {
  const { error, isTested, kind } = failure;
  if (error instanceof PipelineError && error.code === 'ELT_BUILD_FENCED') return;
  if (failure.isKept && isTested && error instanceof PipelineError && error.code === 'ELT_PUBLISH_TIMEOUT')
    return keepBuild(session, build);
  // A tested stage waits for this run's next attempt when its publication may succeed then.
  const isWaiting = isTested && error instanceof PipelineError && !error.terminal;
  await leaveBuild(session, build, isWaiting ? 'tested' : 'failed');
  // Not longer than a moment: the sweep at the run's end takes what somebody still reads.
  if (!isWaiting) await dropUnlessInUse(session, { ...build.staged, kind: kind === 'view' ? 'v' : 'r' });
}

async function exists(session: Session, table: TableName): Promise<boolean> {
  const [row] = await session.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    sqlName(table),
  ]);
  return row?.found === true;
}

/** Rows that are put into a view of that name would go into the table that it reads. */
async function isTable(session: Session, { schema, name }: TableName): Promise<boolean> {
  const found = await session.query(
    `SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname = $2 AND relkind IN ('r', 'p')`,
    [identifier(schema), name],
  );
  return found.length > 0;
}
