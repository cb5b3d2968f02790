import { findPostgresProcesses } from '../../src/embedded/processes/stack-processes.js';
import { logTail, waitFor, type TestStack } from '../support/stack.js';

/** Kills of each kind; the nightly run asks for more. */
export const KILLS = Number(process.env['PLUMBLINE_TEST_KILLS'] ?? 10);
/** A kill costs at most the heartbeat timeout, the back-off and what the step in flight repeats. */
export const TEST_TIMEOUT_MS = 120_000 + KILLS * 30_000;

export interface Kill {
  readonly part: string;
  readonly atMs: number;
  /** Steps that this kill may have cost an attempt. */
  readonly inFlight: readonly string[];
  /** From the kill to the first sign of work after it; undefined when the run had ended. */
  readonly goesOnAfterMs?: number;
}

interface Moment {
  readonly status: string;
  /** Changes with every attempt, progress and end of a step, and with every chunk. */
  readonly mark: string;
  readonly inFlight: readonly string[];
}

/** Where a run is, as its record in PostgreSQL says. */
export async function momentOf(stack: TestStack, runId: string): Promise<Moment> {
  const [row] = await stack.query<{ status: string | null; mark: string; in_flight: string[] }>(
    `SELECT (SELECT status FROM plumbline.runs WHERE run_id = $1) AS status,
       md5(coalesce(string_agg(s::text, ',' ORDER BY step), '') || (SELECT coalesce(sum(next_chunk), 0) FROM plumbline.loads)) AS mark,
       coalesce(array_agg(step) FILTER (WHERE status = 'running' OR ended_at > clock_timestamp() - interval '2 s'), '{}') AS in_flight
     FROM plumbline.run_steps s WHERE run_id = $1`,
    [runId],
  );
  return { status: row?.status ?? 'unknown', mark: row!.mark, inFlight: row!.in_flight };
}

/** SIGKILL, without a chance to clean up, and the part's process is gone when this resolves. */
export async function killPart(stack: TestStack, part: 'worker' | 'temporal' | 'postgres'): Promise<void> {
  const { postgres } = await stack.state();
  const pid = await stack.pid(part);
  // As in a crash of the machine: the postmaster and everything it started, at once.
  const others = part === 'postgres' ? await findPostgresProcesses(postgres!.dataDir) : [];
  for (const each of [pid, ...others.map((other) => other.pid)]) end(each);
  await waitFor(`the end of ${part}`, async () => (isRunning(pid) ? undefined : true));
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Kills a part again and again while a run works: each time at a random moment after the run has gone on from the kill
 * before. Ends when the run does, or after `count` kills.
 */
export async function killRepeatedly(
  stack: TestStack,
  options: {
    readonly runId: string;
    readonly part: 'worker' | 'temporal' | 'postgres';
    readonly count: number;
    readonly random: () => number;
    /** The longest wait between a sign of work and the next kill. */
    readonly withinMs: number;
    /** Kills only while this holds. */
    readonly when?: (moment: Moment) => boolean;
  },
): Promise<Kill[]> {
  const { runId, part, count, random, withinMs, when = () => true } = options;
  const kills: Kill[] = [];
  while (kills.length < count) {
    const moment = await waitFor(
      `work of run ${runId}`,
      async () => {
        const now = await momentOf(stack, runId);
        return isOver(now) || (now.inFlight.length > 0 && when(now)) ? now : undefined;
      },
      60_000,
    );
    if (isOver(moment)) break;
    await new Promise((resolve) => setTimeout(resolve, random() * withinMs));
    const before = await momentOf(stack, runId);
    if (isOver(before)) break;
    if (!when(before)) continue;
    await killPart(stack, part);
    const killedAt = Date.now();
    const after = await waitFor('PostgreSQL', () => momentOf(stack, runId), 60_000);
    const inFlight = [...new Set([...before.inFlight, ...after.inFlight])];
    const next = await waitFor(
      `run ${runId} to go on after ${part} was killed`,
      async () => {
        const now = await momentOf(stack, runId);
        return now.mark === after.mark && !isOver(now) ? undefined : now;
      },
      90_000,
    ).catch(async (error: unknown) => {
      throw new Error(
        `${String(error)}, after ${kills.length} kills\n${JSON.stringify(await stack.query('SELECT * FROM plumbline.run_steps WHERE run_id = $1', [runId]))}\n${await logTail(stack, 'worker')}`,
      );
    });
    kills.push({ part, atMs: killedAt, inFlight, ...(isOver(next) ? {} : { goesOnAfterMs: Date.now() - killedAt }) });
  }
  return kills;
}

export function isOver({ status }: Pick<Moment, 'status'>): boolean {
  return ['succeeded', 'failed', 'cancelled'].includes(status);
}

/** Worst and median time from a kill to work, for people to read. */
export function reportKills(what: string, kills: readonly Kill[]): void {
  const times = kills.flatMap(({ goesOnAfterMs }) => goesOnAfterMs ?? []).sort((a, b) => a - b);
  const seconds = (milliseconds: number | undefined): string => ((milliseconds ?? 0) / 1_000).toFixed(1);
  console.log(
    `${what}: ${kills.length} kills; work went on after ${seconds(times[times.length >> 1])} s (median), ${seconds(times.at(-1))} s (worst)`,
  );
}
