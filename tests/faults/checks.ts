import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { logTail, waitFor, type TestStack } from '../support/stack.js';
import { isOver, momentOf, type Kill } from './kills.js';
import { SCHEMAS } from './project.js';

export interface StepRecord {
  readonly step: string;
  readonly status: string;
  readonly attempt: number;
  readonly reason: string | null;
}

/** Starts a run that is not followed; gives its id once its record is there. */
export async function startRun(stack: TestStack, args: readonly string[] = []): Promise<string> {
  const { runId } = await stack.json<{ runId: string }>(['run', ...args, '--detach']);
  await waitFor(
    `the record of run ${runId}`,
    async () => ((await momentOf(stack, runId)).status === 'unknown' ? undefined : true),
    60_000,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${await logTail(stack, 'worker')}`);
  });
  return runId;
}

/** Waits until the run has ended by itself. */
export async function endOf(stack: TestStack, runId: string, timeoutMs = 180_000): Promise<string> {
  const moment = await waitFor(
    `the end of run ${runId}`,
    async () => {
      const now = await momentOf(stack, runId);
      return isOver(now) ? now : undefined;
    },
    timeoutMs,
  ).catch(async (error: unknown) => {
    throw new Error(
      [
        String(error),
        JSON.stringify(await stepsOf(stack, runId)),
        JSON.stringify(await waitingConnections(stack)),
        await logTail(stack, 'worker'),
        await logTail(stack, 'started'),
      ].join('\n'),
    );
  });
  return moment.status;
}

/** Who waits in PostgreSQL, and who is in a transaction, for a failed test's message. */
const waitingConnections = (stack: TestStack): Promise<unknown> =>
  stack.query(
    `SELECT pid, application_name, state, wait_event, pg_blocking_pids(pid) AS blocked_by, xact_start, left(query, 200) AS query
     FROM pg_stat_activity WHERE datname = current_database() AND (xact_start IS NOT NULL OR wait_event_type = 'Lock')`,
  );

export async function expectSuccess(stack: TestStack, runId: string): Promise<void> {
  const status = await endOf(stack, runId);
  const [run] = await stack.query<{ error: unknown }>('SELECT error FROM plumbline.runs WHERE run_id = $1', [runId]);
  expect({ status, error: run!.error }, await logTail(stack, 'worker')).toEqual({ status: 'succeeded', error: null });
}

export async function stepsOf(stack: TestStack, runId: string): Promise<StepRecord[]> {
  return stack.query<StepRecord>(
    'SELECT step, status, attempt, reason FROM plumbline.run_steps WHERE run_id = $1 ORDER BY position, step',
    [runId],
  );
}

/** Rows and a checksum of everything in a table but the load's own columns. */
export async function contentOf(
  stack: TestStack,
  schema: string,
  table: string,
): Promise<{ rows: number; checksum: string }> {
  const columns = await stack.query<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_schema = $1 AND table_name = $2 AND column_name !~ '^_' ORDER BY ordinal_position`,
    [schema, table],
  );
  const row = `ROW(${columns.map(({ name }) => `"${name}"`).join(', ')})::text`;
  const [content] = await stack.query<{ rows: number; checksum: string }>(
    `SELECT count(*)::int AS rows, md5(string_agg(md5(${row}), '' ORDER BY ${row} COLLATE "C")) AS checksum FROM "${schema}"."${table}"`,
  );
  return content!;
}

/** All published tables of the project by name. */
export async function contents(stack: TestStack): Promise<Record<string, { rows: number; checksum: string }>> {
  const tables = await stack.query<{ schema: string; name: string }>(
    `SELECT schemaname AS schema, tablename AS name FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2`,
    [[SCHEMAS.raw, SCHEMAS.main]],
  );
  const found: Record<string, { rows: number; checksum: string }> = {};
  for (const { schema, name } of tables) found[`${schema}.${name}`] = await contentOf(stack, schema, name);
  return found;
}

/** Nothing that a run needs only while it works is there any more. */
export async function expectNothingLeft(stack: TestStack): Promise<void> {
  const tables = await stack.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = $1 AND relkind IN ('r', 'v')`,
    [SCHEMAS.stage],
  );
  const loads = await stack.query(
    `SELECT load_id, status FROM plumbline.loads l WHERE status IN ('loading', 'staged')
     OR EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.writer_pid AND a.backend_start::text = l.writer_backend_start)`,
  );
  const leases = await stack.query(`SELECT holder FROM plumbline.leases WHERE holder <> ''`);
  const checkpoints = await stack.query('SELECT key FROM plumbline.checkpoints');
  const stepConnections = await stack.query(
    `SELECT application_name FROM pg_stat_activity WHERE application_name ~ '^plumbline/'`,
  );
  const list = (...folder: string[]): Promise<string[]> =>
    readdir(join(stack.root, '.plumbline', ...folder)).catch(() => []);
  const incoming = await list('store', 'incoming');
  const scratch: string[] = [];
  for (const folder of await list('cache', 'scratch'))
    scratch.push(...(await list('cache', 'scratch', folder)).filter((name) => name.startsWith('plumbline')));
  const unpacking = (await list('cache', 'bundles')).filter((name) => name.startsWith('.'));
  expect({ tables, loads, leases, checkpoints, stepConnections, incoming, scratch, unpacking }).toEqual({
    tables: [],
    loads: [],
    leases: [],
    checkpoints: [],
    stepConnections: [],
    incoming: [],
    scratch: [],
    unpacking: [],
  });
}

/** Every content of a model has one version. */
export async function expectOneVersionPerModel(stack: TestStack): Promise<void> {
  const repeated = await stack.query(
    'SELECT model, onnx, training_set_sha256, count(*)::int AS versions FROM plumbline.model_versions GROUP BY 1, 2, 3 HAVING count(*) > 1',
  );
  expect(repeated).toEqual([]);
}

/** A step has more than one attempt only when it was at work in as many kills. */
export async function expectOnlyInFlightRepeated(
  stack: TestStack,
  runId: string,
  kills: readonly Kill[],
): Promise<void> {
  const repeated = (await stepsOf(stack, runId)).filter(({ attempt }) => attempt > 1);
  const tooOften = repeated.filter(
    ({ step, attempt }) => attempt - 1 > kills.filter(({ inFlight }) => inFlight.includes(step)).length,
  );
  expect(tooOften).toEqual([]);
}

/** After `down`, no process of the stack. */
export async function expectNoProcess(stack: TestStack): Promise<void> {
  await stack.plumbline(['down']);
  expect(await stack.processes()).toEqual([]);
}
