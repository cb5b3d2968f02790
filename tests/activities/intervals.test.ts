import { afterEach, beforeEach, expect, it } from 'vitest';
import { failures } from '../../src/cli/backfill-command.js';
import { skipIntervals, unskipIntervals } from '../../src/client/skip-intervals.js';
import { trace } from '../../src/client/trace.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import { failedRunsBy } from '../../src/storage/runs.js';
import { saveSchedule } from '../../src/storage/schedules.js';
import { sendJson, startApiServer, type ApiServer } from '../support/api-server.js';
import { createWorkbench, type Workbench } from './workbench.js';

let api: ApiServer;
let bench: Workbench;
let orders: { id: number; day: string; units: number }[];
beforeEach(async () => {
  orders = [1, 2, 3, 4].map((day) => ({ id: day, day: `2024-01-0${day}`, units: 10 * day }));
  api = await startApiServer((_request, response, url) => {
    const [from, to] = [url.searchParams.get('from')!, url.searchParams.get('to')!];
    sendJson(response, orders.filter(({ day }) => day >= from && day <= to)); // prettier-ignore
  });
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop
sources:
  names: { path: names.csv }
  api:
    type: http
    url: ${api.url}
    allow_private: true
    resources:
      orders: { path: /orders, params: { from: '{interval.start_date}', to: '{interval.last_date}' } }
`,
    'names.csv': 'id,name\n1,a\n',
    'sql/daily.sql': `-- materialized: incremental
-- interval_column: day
-- lookback: 1d
SELECT day, sum(units)::int AS units FROM {{ source('api.orders') }}
WHERE day >= '{{ interval.start }}' AND day < '{{ interval.end }}' GROUP BY day
`,
  });
});
afterEach(async () => {
  await bench.destroy();
  await api.close();
});

let runs = 0;
async function run(interval: string | undefined, more: object = {}): Promise<string[]> {
  const about = interval === undefined ? {} : { interval: parseInterval(interval, 'UTC') };
  const opened = await bench.open(`run-${++runs}`, ['elt'], { ...about, ...more });
  await bench.elt(opened.run, opened.plan);
  await bench.close(opened.run);
  return [...opened.plan.resources];
}
const daily = () => bench.test.database.query('SELECT day::text, units FROM shop_dev.daily ORDER BY day');
const raw = () => bench.test.database.query('SELECT id::int, units::int FROM shop_dev_raw.api_orders ORDER BY id');
const intervals = () =>
  bench.test.database.query(
    `SELECT start_at::date::text || '/' || end_at::date AS interval, state, run_id FROM plumbline.intervals ORDER BY 1`,
  );
const code = (error: unknown): unknown => (error as { details?: { code: string }[] }).details?.[0]?.code;

it('a run of an interval asks an API for it and replaces its rows only, and is not done twice unless asked', async () => {
  expect(await run('2024-01-01/2024-01-02')).toEqual(['names', 'api.orders']);
  expect(api.requests).toEqual(['GET /orders?from=2024-01-01&to=2024-01-01']);
  await run('2024-01-02/2024-01-03');
  expect(await daily()).toEqual([
    { day: '2024-01-01', units: 10 },
    { day: '2024-01-02', units: 20 },
  ]);

  // Corrected, and gone: the interval's own rows change, those of the day before come by the lookback, the rest stays.
  orders = [{ id: 1, day: '2024-01-01', units: 11 }, { id: 3, day: '2024-01-03', units: 30 }]; // prettier-ignore
  expect(await run('2024-01-03/2024-01-04', { once: true, keepLoaded: true })).toEqual(['api.orders']);
  orders = [{ id: 9, day: '2024-01-02', units: 99 }];
  await run('2024-01-02/2024-01-03');
  expect(await raw()).toEqual([
    { id: 1, units: 10 },
    { id: 3, units: 30 },
    { id: 9, units: 99 },
  ]);
  expect(await daily()).toMatchObject([{ units: 10 }, { units: 99 }, { units: 30 }]);

  // Each interval is one of the table's origins, with the answer that its rows came from last.
  const { from } = await trace({ database: bench.test.database, env: 'dev', project: 'shop' }, 'daily');
  expect(from[0]!.from.map(({ name }) => /\?interval=([\d-]+)/.exec(name)![1])).toEqual(['2024-01-01', '2024-01-03', '2024-01-02']); // prettier-ignore

  expect(await intervals()).toMatchObject([
    { interval: '2024-01-01/2024-01-02', state: 'done', run_id: 'run-1' },
    { interval: '2024-01-02/2024-01-03', state: 'done', run_id: 'run-4' },
    { interval: '2024-01-03/2024-01-04', state: 'done', run_id: 'run-3' },
  ]);
  const again = await run('2024-01-03/2024-01-04', { once: true }).catch(code);
  expect(again).toBe('RUN_INTERVAL_DONE');
  await bench.close(
    await bench.ref(`run-${runs}`, { interval: parseInterval('2024-01-03/2024-01-04', 'UTC') }),
    'failed',
  );
  expect((await intervals())[2]).toMatchObject({ state: 'done', run_id: 'run-3' });

  // Changed code goes on from the rows that are there: built whole, the table would hold one interval only.
  await bench.write({
    'sql/daily.sql': `-- materialized: incremental
-- interval_column: day
SELECT day, sum(units + 0)::int AS units FROM {{ source('api.orders') }}
WHERE units < 1000 AND day >= '{{ interval.start }}' AND day < '{{ interval.end }}' GROUP BY day
`,
  });
  orders = [{ id: 4, day: '2024-01-04', units: 40 }];
  await run('2024-01-04/2024-01-05', { force: true });
  expect(await daily()).toMatchObject([{ units: 10 }, { units: 99 }, { units: 30 }, { units: 40 }]);
  // An interval for which the SELECT gives no row any more loses those that it had.
  orders = [{ id: 4, day: '2024-01-04', units: 4000 }];
  await run('2024-01-04/2024-01-05');
  expect(await daily()).toMatchObject([{ units: 10 }, { units: 99 }, { units: 30 }]);

  // What is not over yet can be looked at, and stays open.
  orders = [];
  await run('2039-01-01/2039-01-02');
  expect((await intervals()).map(({ interval }) => interval)).not.toContain('2039-01-01/2039-01-02');

  // Two days at once take the place of both; one that cuts a loaded interval in two is refused.
  orders = [{ id: 5, day: '2024-01-01', units: 5 }];
  await run('2024-01-01/2024-01-03');
  expect(await raw()).toEqual([{ id: 3, units: 30 }, { id: 4, units: 4000 }, { id: 5, units: 5 }]); // prettier-ignore
  expect(await run('2024-01-01/2024-01-02').catch(code)).toBe('ELT_INTERVAL_OVERLAP');
});

it('an interval of an API is not added to a table that was loaded as a whole, which may have its rows', async () => {
  const project = (params: string): string => `name: shop
sources:
  api: { type: http, url: ${api.url}, allow_private: true, resources: { orders: { path: /orders, params: ${params} } } }
`;
  await bench.write({ 'plumbline.yaml': project('{ from: 2024-01-01, to: 2024-01-04 }'), 'sql/daily.sql': 'SELECT 1 AS day, 1 AS units' }); // prettier-ignore
  await run(undefined);
  await bench.write({ 'plumbline.yaml': project(`{ from: '{interval.start_date}', to: '{interval.last_date}' }`) });
  expect(await run('2024-01-02/2024-01-03').catch(code)).toBe('ELT_INTERVAL_OVERLAP');
  await bench.close(await bench.ref(`run-${runs}`), 'failed');
  expect((await raw()).map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  await bench.test.database.execute('DROP TABLE shop_dev_raw.api_orders');
  await run('2024-01-02/2024-01-03');
  // An earlier version left the load of the whole as it was, though the table that it was in is gone.
  const whole = `UPDATE plumbline.loads SET status = $1 WHERE resource = 'api.orders' AND path !~ 'interval' AND status = $2 RETURNING status`;
  expect(await bench.test.database.query(whole, ['published', 'replaced'])).toHaveLength(1);
  await run('2024-01-03/2024-01-04');
  expect((await raw()).map(({ id }) => id)).toEqual([2, 3]);
  expect(await bench.test.database.query(whole, ['replaced', 'published'])).toEqual([]);
});

it('a run without the interval that the project asks for stops before anything, as does a row outside of it', async () => {
  expect(await run(undefined).catch(code)).toBe('RUN_INTERVAL_NEEDED');
  expect(await bench.call('explainPlan', { run: await bench.ref('p') }).catch(code)).toBe('RUN_INTERVAL_NEEDED');
  await bench.close(await bench.ref(`run-${runs}`), 'failed');
  await run('2024-01-01/2024-01-02');
  const next = await bench.ref('p', { interval: parseInterval('2024-01-02/2024-01-03', 'UTC') });
  const { lines } = await bench.call('explainPlan', { run: next });
  expect(lines.map(({ step, reason }) => `${step}: ${reason}`).join('\n')).toContain('from=2024-01-02&to=2024-01-02');
  expect(lines.at(-1)!.reason).toBe('after load:api.orders, of the interval only');

  await bench.write({
    'sql/daily.sql': `-- materialized: incremental
-- interval_column: day
SELECT day, 1 AS units FROM {{ source('api.orders') }} WHERE day < '{{ interval.end }}'
`,
  });
  expect(await run('2024-01-02/2024-01-03').catch(code)).toBe('ELT_INCREMENT_INTERVAL');
  await bench.close(await bench.ref(`run-${runs}`), 'failed');
  await bench.write({
    'sql/daily.sql': `-- materialized: incremental
-- interval_column: units
SELECT day, 1 AS units FROM {{ source('api.orders') }} WHERE day < '{{ interval.end }}'
`,
  });
  expect(await run('2024-01-02/2024-01-03').catch(code)).toBe('ELT_INCREMENT_INTERVAL');
  expect(await daily()).toEqual([{ day: '2024-01-01', units: 10 }]);
});

it('a run of a part does its part of the interval: no more, and not what is done as a whole', async () => {
  const part = { only: 'load' as const, select: ['api.orders'] };
  expect(await run('2024-01-02/2024-01-03', part)).toEqual(['api.orders']);
  const grid = { length: 'daily' as const, timezone: 'UTC' };
  const days = { env: 'dev', project: 'shop', grid, from: '2024-01-01T00:00:00Z', until: '2024-01-04T00:00:00Z', failedOnly: false, again: false }; // prettier-ignore
  const missing = async (selection: object = {}) =>
    (await bench.call('findMissingIntervals', { ...days, ...selection })).intervals.map(({ start }) => start.slice(8, 10)); // prettier-ignore
  expect(await missing(part)).toEqual(['01', '03']);
  expect(await missing({ only: 'load', select: ['names'] })).toEqual(['01', '02', '03']);
  expect(await missing()).toEqual(['01', '02', '03']);
  // The whole goes for each part of it, but not for an interval that failed.
  await run('2024-01-01/2024-01-02');
  expect([await missing(part), await missing({ only: 'transform' })]).toEqual([['03'], ['02', '03']]);
  expect(await run('2024-01-01/2024-01-02', { ...part, once: true }).catch(code)).toBe('RUN_INTERVAL_DONE');
  await bench.close(await bench.ref(`run-${runs}`), 'failed');
  await bench.open('whole', ['elt'], { interval: parseInterval('2024-01-03/2024-01-04', 'UTC') });
  await bench.close(await bench.ref('whole'), 'failed');
  expect([await missing(part), await missing()]).toEqual([['03'], ['02', '03']]);
  // Nothing to load of what is not asked by interval: done, not failed.
  await run('2024-01-03/2024-01-04', { only: 'load', select: ['names'], keepLoaded: true, once: true });
  expect(await missing({ only: 'load', select: ['names'] })).toEqual(['02']);
  expect(await bench.test.database.query('SELECT part, state FROM plumbline.intervals ORDER BY start_at, part')).toEqual([
    { part: '', state: 'done' },
    { part: 'load api.orders', state: 'done' },
    { part: '', state: 'failed' },
    { part: 'load names', state: 'done' },
  ]); // prettier-ignore
});

it('a schedule is given what is new first and what failed apart, each in turn; failed runs of a backfill are its own', async () => {
  const { database } = bench.test;
  const key = { env: 'dev', project: 'shop' };
  const since = Date.UTC(2024, 0, 1);
  const definition = { name: 'load', cron: '0 3 * * *', timezone: 'UTC', stages: ['load'], interval: 'daily', jitterMs: 0, overlap: 'skip', catchupMs: 0, pauseOnFailure: false } as const; // prettier-ignore
  await saveSchedule(database, key, { name: 'load', definition, bundle: 'b', since, applied_by: 'ann', alerts: null, root: '/' }); // prettier-ignore
  await database.execute(
    `INSERT INTO plumbline.intervals (env, project, start_at, end_at, state, run_id, claimed_at)
     SELECT 'dev', 'shop', day, day + interval '1 day', CASE WHEN n = 4 THEN 'done' ELSE 'failed' END, 'r' || n, now() - n * interval '1 minute'
     FROM generate_series(1, 4) n, LATERAL (SELECT '2024-01-01Z'::timestamptz + (n - 1) * interval '1 day' AS day) d`,
  );
  const grid = { length: 'daily' as const, timezone: 'UTC' };
  const asked = { ...key, grid, schedule: 'load', until: '2024-01-07T00:00:00Z', failedOnly: false, again: false };
  const starts = (all: readonly { readonly start: string }[] = []) => all.map(({ start }) => start.slice(0, 10));
  const apart = await bench.call('findMissingIntervals', { ...asked, failedApart: true });
  expect([starts(apart.intervals), starts(apart.failed), apart.total]).toEqual([['2024-01-05', '2024-01-06'], ['2024-01-03', '2024-01-02', '2024-01-01'], 2]); // prettier-ignore
  const among = await bench.call('findMissingIntervals', asked);
  expect([starts(among.intervals), among.failed]).toEqual([['2024-01-01', '2024-01-02', '2024-01-03', '2024-01-05', '2024-01-06'], undefined]); // prettier-ignore

  // One that is given up is asked for by nobody, with --force neither; what a schedule had listed before is left alone.
  const dayOf = (day: number) => parseInterval(`2024-01-0${day}/2024-01-0${day + 1}`, 'UTC');
  const skip = { by: 'ann', reason: 'the source is gone' };
  const give = (from: number, to = from) => skipIntervals(database, key, { grid, range: { ...dayOf(from), end: dayOf(to).end }, skip }); // prettier-ignore
  const before = await intervals();
  await expect(give(3, 5)).rejects.toMatchObject({ code: 'INTERVAL_NOT_OPEN', message: expect.stringContaining('2024-01-04/2024-01-05 failed: it is done (run r4)') as string }); // prettier-ignore
  expect(await intervals()).toEqual(before);
  expect([await give(3), await give(5), await give(5)].map(({ length }) => length)).toEqual([1, 1, 0]);
  const left = await bench.call('findMissingIntervals', { ...asked, failedApart: true });
  expect([starts(left.intervals), starts(left.failed)]).toEqual([['2024-01-06'], ['2024-01-02', '2024-01-01']]);
  const forced = await bench.call('findMissingIntervals', { ...asked, again: true });
  expect(starts(forced.intervals)).toEqual(['2024-01-01', '2024-01-02', '2024-01-04', '2024-01-06']);
  for (const [index, about] of [{ once: true }, { once: true, keepLoaded: true }, { keepLoaded: true, force: true }].entries()) {
    const run = await bench.ref(`s-${index}`, { interval: dayOf(5), ...about } as object);
    const opened = bench.call('openRun', { run, workflowId: 'w', stages: ['elt'], startedBy: 'schedule load' });
    expect(await opened.catch(code)).toBe('RUN_INTERVAL_DONE');
    await bench.close(run, 'failed');
  } // prettier-ignore
  expect((await intervals()).slice(2)).toMatchObject([{ state: 'skipped', run_id: 'r3' }, { state: 'done' }, { state: 'skipped', run_id: null }]); // prettier-ignore
  // A person's run takes it back, --unskip too; what failed before has failed again, what no run was about is missing.
  const byHand = await bench.open('hand', ['elt'], { interval: dayOf(5) });
  await expect(give(5)).rejects.toMatchObject({ code: 'INTERVAL_NOT_OPEN', next: expect.stringContaining('runs cancel hand') as string }); // prettier-ignore
  await bench.close(byHand.run, 'failed');
  expect(await give(5, 6)).toHaveLength(2);
  const week = { ...dayOf(1), end: dayOf(7).end };
  await expect(unskipIntervals(database, key, dayOf(1))).rejects.toMatchObject({ code: 'INTERVAL_NOT_SKIPPED' });
  const half = { ...dayOf(5), start: '2024-01-05T12:00:00Z' };
  await expect(unskipIntervals(database, key, half)).rejects.toThrow('what is skipped is 2024-01-05/2024-01-06');
  expect(await unskipIntervals(database, key, week)).toBe(3);
  expect((await intervals()).map(({ state, run_id: run }) => `${state as string} ${run as string}`)).toEqual(['failed r1', 'failed r2', 'failed r3', 'done r4', 'failed hand']); // prettier-ignore

  // Of the backfill's runs, not by what an interval is now.
  const interval = parseInterval('2024-01-05/2024-01-06', 'UTC');
  for (const [runId, startedBy, code] of [['b-1', 'backfill b', 'ELT_SOURCE_STALE'], ['b-2', 'backfill b', 'RUN_INTERVAL_DONE'], ['b-3', 'backfill a', 'ELT_SOURCE_STALE']] as const) {
    const run = await bench.ref(runId, { interval });
    await bench.call('openRun', { run, workflowId: 'w', stages: ['elt'], startedBy });
    await bench.call('closeRun', { run, status: 'failed', error: { code, message: 'no' } });
  } // prettier-ignore
  const found = await failedRunsBy(database, key, 'backfill b');
  expect(failures(found)).toBe('  failed  2024-01-05/2024-01-06  b-1\nsee why with `plumbline runs show b-1`\n');
  expect(failures([])).toBe('');
});
