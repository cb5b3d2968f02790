import { setTimeout as sleep } from 'node:timers/promises';
import { TerminalError } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import { ENDS_WHEN_FROZEN } from '../../model/brief-transaction.js';
import type { Database, Queryable, Session } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';
import { readSwapTarget, type SwapTarget } from './assert-swappable.js';
import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import { carryAccess, carryProperties, restoreNames } from './carry-properties.js';
import { replacedName, setAside } from './drop-replaced.js';
import { attachViews, lockViews, type ViewPlan } from './dependent-views.js';
import { describeRelation, type RelationFacts } from './describe-relation.js';
import { grantDefaults } from './grant-defaults.js';
import { lockHolders, shownTransactions, type OpenTransaction } from './open-transaction.js';
import { postgresCode } from './postgres-code.js';
import { readCatalog } from './read-catalog.js';
import { isCatalogRace, retryCatalogRace } from './retry-catalog-race.js';
import { shownName, sqlName, type TableName } from './table-name.js';
import { waitForSnapshots } from './wait-for-snapshots.js';

export interface Swap {
  /** The finished, committed table or view. */
  readonly staged: TableName;
  /** The name readers use; need not exist yet. */
  readonly target: TableName;
}

export interface SwapOptions extends Swap {
  /** Tables that are swapped in the same transaction. */
  readonly beside?: readonly Swap[];
  /** How long readers may have to queue behind one attempt. @default 200 */
  readonly lockTimeoutMs?: number;
  /** How long to wait for older snapshots and locks together. @default 300000 */
  readonly publishTimeoutMs?: number;
  /** Whom it waits for, in words: `2 older transactions: pid 12 (ann report, since …), …`. Several times a second. */
  readonly onWait?: (waitingFor: string) => void;
  /** Runs last in the swap's transaction: what it writes is there if, and only if, the new table is. */
  readonly beforeCommit?: (session: Session) => Promise<void>;
  /**
   * `schema.name` of views that the same run builds anew after this swap. One that does not fit the new columns goes on
   * reading the old relation, kept in the stage schema until `dropReplaced`; any other view that does not fit is an error.
   */
  readonly laggingViews?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
}

/**
 * Puts the staged relation in the target's place, and those beside it in theirs, in one transaction: grants, comments, indexes, constraints, policies
 * and the views over the target come along, the old relation is dropped. Readers see the old rows or the new ones.
 *
 * Throws `ELT_PUBLISH_TIMEOUT` (somebody has to end what is in the way), `ELT_SWAP_NOT_POSSIBLE`, `ELT_SWAP_CANNOT_CARRY`,
 * `ELT_STAGE_MISSING`, all terminal, or what `beforeCommit` throws. After an error the target is what it was.
 */
export async function swapTable(database: Database, options: SwapOptions): Promise<void> {
  const { signal, publishTimeoutMs = PUBLISH_TIMEOUT_MS } = options;
  await database.session(async (session) => {
    await cancelOnAbort(database, session, signal, async () => {
      let prepared = await prepareAll(session, options);
      const deadline = performance.now() + publishTimeoutMs;
      await waitForReaders(session, options, deadline);
      for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 400)) {
        const outcome = await attempt(session, options, prepared);
        if (outcome === 'swapped') break;
        const holders = await lockHolders(session, await lockedRelations(session, options, prepared));
        if (performance.now() + pauseMs >= deadline) throw timedOut(options, holders);
        if (holders.length > 0) options.onWait?.(shownTransactions(holders));
        await sleep(pauseMs, undefined, signal && { signal });
        if (outcome === 'changed') {
          prepared = await prepareAll(session, options);
          await waitForReaders(session, options, deadline);
        }
      }
    });
  });
  await failpoint('swap.after-commit');
}

const PUBLISH_TIMEOUT_MS = 300_000;

function swapsOf({ staged, target, beside = [] }: SwapOptions): readonly Swap[] {
  return [{ staged, target }, ...beside];
}

/** For each swap what its target is; undefined where there is none yet. */
type Prepared = readonly (SwapTarget | undefined)[];

async function prepareAll(session: Session, options: SwapOptions): Promise<Prepared> {
  const prepared: (SwapTarget | undefined)[] = [];
  for (const swap of swapsOf(options)) prepared.push(await prepare(session, swap));
  return prepared;
}

/** Dresses the stage like the target, outside any lock that readers could feel: an index may take minutes. */
async function prepare(session: Session, { staged, target }: Swap): Promise<SwapTarget | undefined> {
  const dress = async (): Promise<SwapTarget | undefined> => {
    await readCatalog(session);
    const current = await readSwapTarget(session, target);
    const built = await describeStage(session, staged);
    if (current === undefined) await grantDefaults(session, built, staged, target.schema);
    else await carryProperties(session, current.facts, built, staged);
    if (built.kind === 'r') await session.execute(`ANALYZE ${sqlName(staged)}`);
    return current;
  };
  return retryCatalogRace(() => session.transaction(dress));
}

async function describeStage(session: Session, staged: TableName): Promise<RelationFacts> {
  const built = await describeRelation(session, staged);
  if (built === undefined) throw stageMissing(staged);
  return built;
}

async function waitForReaders(session: Session, options: SwapOptions, deadline: number): Promise<void> {
  const { signal, onWait } = options;
  const older = await waitForSnapshots(session, {
    deadline,
    ...(signal && { signal }),
    ...(onWait && { onWait: (open) => onWait(shownTransactions(open)) }),
  });
  if (older.length > 0) throw timedOut(options, older);
}

/** What a swap locks: the target, the views over it, the stage. */
async function lockedRelations(session: Session, options: SwapOptions, prepared: Prepared): Promise<number[]> {
  const named = await session.query<{ oid: number }>(
    'SELECT to_regclass(name)::oid AS oid FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL',
    [swapsOf(options).flatMap(({ staged, target }) => [sqlName(staged), sqlName(target)])],
  );
  return [...named, ...prepared.flatMap((target) => target?.views ?? [])].map(({ oid }) => oid);
}

/** `changed`: the target is not what was prepared for; `busy`: a lock was not to be had. Both leave all as it was. */
async function attempt(
  session: Session,
  options: SwapOptions,
  prepared: Prepared,
): Promise<'swapped' | 'changed' | 'busy'> {
  try {
    return await swapAll(session, options, prepared);
  } catch (error) {
    if (isLockConflict(error)) return 'busy';
    if (isCatalogRace(error) || postgresCode(error) === '42P01') return 'changed';
    throw error;
  }
}

async function swapAll(session: Session, options: SwapOptions, prepared: Prepared): Promise<'swapped' | 'changed'> {
  const { lockTimeoutMs = 200, beforeCommit, laggingViews, signal } = options;
  // Every reader waits for it.
  const settings = { ...ENDS_WHEN_FROZEN, lockTimeoutMs };
  return session.transaction(async () => {
    await readCatalog(session);
    const swaps = swapsOf(options);
    const stages: RelationFacts[] = [];
    for (const { staged } of swaps) stages.push(await describeStage(session, staged));
    // A view may read several of them: one other shape among them, and all views are made anew.
    const isSame = stages.every((built, index) => {
      const old = prepared[index]?.facts;
      return old === undefined || isSameShape(old, built);
    });
    const locked: LockedSwap[] = [];
    for (const [index, swap] of swaps.entries()) {
      const ready = await lock(session, swap, stages[index]!, prepared[index], isSame);
      if (ready === 'changed') return 'changed';
      locked.push(ready);
    }
    // All have their new names before a view is made anew, which may read several of them.
    for (const { built, former, staged, target } of locked) {
      if (former !== undefined)
        await session.execute(
          `ALTER ${noun(former.facts)} ${sqlName(target)} RENAME TO ${identifier(former.old.name)}`,
        );
      await move(session, built, staged, target);
    }
    for (const { built, former, staged, target } of locked) {
      if (former === undefined) continue;
      const { facts, plan, old } = former;
      await carryAccess(session, facts, built, target);
      const isOldRead = await attachViews(session, plan, (view) => laggingViews?.has(shownName(view)) === true);
      if (isOldRead) await setAside(session, facts, old, staged.schema);
      else await session.execute(`DROP ${noun(facts)} ${sqlName(old)}`);
      if (facts.kind === 'r' && built.kind === 'r') await restoreNames(session, facts, target);
    }
    await beforeCommit?.(session);
    await failpoint('swap.before-commit');
    signal?.throwIfAborted();
    return 'swapped';
  }, settings);
}

interface LockedSwap extends Swap {
  readonly built: RelationFacts;
  /** What the target is until now; undefined when there is none. */
  readonly former?: { readonly facts: RelationFacts; readonly plan: ViewPlan; readonly old: TableName };
}

/** Takes the locks of the target and of the views over it, and sees that it is what was prepared for. */
async function lock(
  session: Session,
  { staged, target }: Swap,
  built: RelationFacts,
  prepared: SwapTarget | undefined,
  isSame: boolean,
): Promise<LockedSwap | 'changed'> {
  if (prepared === undefined)
    return (await describeRelation(session, target)) === undefined ? { staged, target, built } : 'changed';
  const { facts } = prepared;
  const plan = await lockViews(session, prepared.views, isSame);
  // Same owner as before: takes the lock, changes nothing, works on views too.
  await session.execute(`ALTER ${noun(facts)} ${sqlName(target)} OWNER TO ${identifier(facts.owner)}`);
  // Under the lock nothing can change any more; what changed since `prepare` has to be carried first.
  if (JSON.stringify(await readSwapTarget(session, target)) !== JSON.stringify(prepared)) return 'changed';
  return { staged, target, built, former: { facts, plan, old: { schema: target.schema, name: replacedName(facts) } } };
}

/** Its indexes and its row type move with it. */
async function move(session: Queryable, built: RelationFacts, staged: TableName, target: TableName): Promise<void> {
  const kind = noun(built);
  let name = staged;
  if (staged.name !== target.name) {
    await session.execute(`ALTER ${kind} ${sqlName(staged)} RENAME TO ${identifier(target.name)}`);
    name = { schema: staged.schema, name: target.name };
  }
  if (staged.schema !== target.schema)
    await session.execute(`ALTER ${kind} ${sqlName(name)} SET SCHEMA ${identifier(target.schema)}`);
}

/** Every old column is there with the same type: views can be redirected instead of made anew. */
function isSameShape(old: RelationFacts, built: RelationFacts): boolean {
  return old.columns.every((column) =>
    built.columns.some((candidate) => candidate.name === column.name && candidate.type === column.type),
  );
}

function noun(relation: RelationFacts): string {
  return relation.kind === 'v' ? 'VIEW' : 'TABLE';
}

/** Lock time-out or deadlock. */
function isLockConflict(error: unknown): boolean {
  return ['55P03', '40P01'].includes(postgresCode(error));
}

function stageMissing(staged: TableName): TerminalError {
  return new TerminalError('ELT_STAGE_MISSING', `Publishing ${shownName(staged)} failed: no such table or view.`, {
    next: 'Run the step again, so that the stage is built anew.',
  });
}

function timedOut(
  { target, publishTimeoutMs = PUBLISH_TIMEOUT_MS }: SwapOptions,
  open: readonly OpenTransaction[],
): TerminalError {
  const waitedFor = open.length === 0 ? 'locks of other transactions' : shownTransactions(open);
  return new TerminalError(
    'ELT_PUBLISH_TIMEOUT',
    `Publishing ${shownName(target)} was given up after ${publishTimeoutMs / 1000} s of waiting for ${waitedFor}.`,
    {
      details: { table: shownName(target), waitedFor: open.map(({ pid, user, since }) => ({ pid, user, since })) },
      next: 'Wait until they have ended, or end them with SELECT pg_terminate_backend(pid); then `plumbline runs retry`.',
    },
  );
}
