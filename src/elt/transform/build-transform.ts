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
import { isRefused, runTest, type TestResult } from '../tests/run-test.js';
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
import { assertIncrementKey, assertInside, compareColumns } from './assert-increment.js';
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
  /** Changes with every publication, and only then. */
  readonly version: string;
}

/**
 * Builds a transform beside the published table, tests it there, then swaps it in: readers see the old table or the new,
 * tested one. Of an incremental table only the new rows are built beside, then put in and tested in one transaction. Idempotent by (schema, name, run id): a second attempt drops what an earlier one left, publishes a stage
 * that was already tested, or gives the result of what was already published.
 *
 * Throws `ELT_SQL_ERROR` at the user's line, `ELT_INCREMENT_*`, DataTestError, or what `swapTable` and `onPublish` throw;
 * unless it succeeds the published table is what it was and the stage is gone, except when what hindered its publication
 * may pass.
 */
export async function buildTransform(options: BuildOptions): Promise<TransformResult> {
  const { database, schemas, node, runId, signal } = options;
  const target = { schema: schemas.main, name: node.name };
  const staged = stageName(schemas, node.name, runId);
  signal?.throwIfAborted();
  return database.session(async (session) => {
    const opened = await openBuild(database, session, node, { target, staged, runId });
    const { build } = opened;
    const result = ({ isPublished: _isPublished, ...finished }: Built): TransformResult => ({
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
      const finished: Built =
        opened.earlier === 'tested' && (await exists(session, staged))
          ? opened.finished
          : await cancelOnAbort(database, session, signal, () => buildAndTest(session, build, options));
      if (finished.isPublished === true) return result(finished);
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
          const { seconds: _seconds, version: _version, ...published } = result(finished);
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
      await cleanUp(session, build, { error, isTested, kind: node.kind }).catch(() => {});
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
  if (node.incremental !== undefined && options.isIncremental === true && (await exists(session, build.target)))
    return addRows(session, build, options, node.incremental);
  const rows = await createStage(session, node, build.staged);
  await failpoint('transform.after-build');
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
    const published = await publishIncrement(session, build, { ...options, columns, incrementRows });
    return { ...published, isPublished: true };
  }
  // A new column locks readers out, so it is published as a whole table is: beside, then in one swap.
  const rows = await extendTable(session, config, { target, staged, columns });
  return { ...(await testStage(session, build, options, rows, started)), incrementRows };
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
