import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { databaseClock } from '../../src/storage/database-clock.js';
import { sendJson, startApiServer, type ApiServer } from '../support/api-server.js';
import { createWorkbench, type Workbench } from './workbench.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let api: ApiServer;
let bench: Workbench;
let rows: { id: number; at: string }[] = [];
let now: number;
beforeAll(async () => {
  api = await startApiServer((_request, response, url) => {
    const since = url.searchParams.get('since') ?? '';
    sendJson(response, rows.filter(({ at }) => at >= since)); // prettier-ignore
  });
  const resource = (more: string): string => `{ path: /orders, primary_key: id, ${more} }`;
  bench = await createWorkbench({
    'plumbline.yaml': `name: shop
sources:
  api:
    type: http
    url: ${api.url}
    allow_private: true
    resources:
      orders: ${resource('cursor: { field: at, param: since, lag: 1h }')}
      hours: ${resource("params: { since: '{interval.start}' }, write: merge, outside_interval: ignore, interval_column: at")}
`,
  });
});
afterAll(async () => {
  await bench.destroy();
  await api.close();
});
beforeEach(async () => {
  now = (await databaseClock(bench.test.database)).getTime();
});
afterEach(() => vi.useRealTimers());

/** The worker's own clock from here on; PostgreSQL's stays right. Timers and what is measured with `performance` go on. */
function setClock(at: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: at });
}

let runs = 0;
async function run(select: string, about: object = {}): Promise<string> {
  const opened = await bench.open(`run-${++runs}`, ['elt'], { only: 'load', select: [select], ...about });
  await bench.elt(opened.run, opened.plan);
  await bench.close(opened.run);
  return opened.run.runId;
}
const iso = (at: number): string => new Date(at).toISOString().replace('.000', '');
/** An hour's interval that ends so long after now. */
const hour = (endsIn: number) => ({
  interval: { start: iso(now + endsIn - HOUR), end: iso(now + endsIn), timezone: 'UTC' },
});
const done = async (runId: string): Promise<boolean> =>
  (await bench.test.database.query(`SELECT FROM plumbline.intervals WHERE run_id = $1 AND state = 'done'`, [runId]))
    .length === 1;

it.each([
  ['a day ahead', DAY],
  ['an hour back', -HOUR],
])('whether an interval is over is told by PostgreSQL when the clock of the worker is %s', async (_title, offset) => {
  rows = [{ id: 1, at: iso(now - HOUR / 2) }];
  setClock(now + offset);
  const id = `${offset}`;
  // What is still to come of it would be in no later run, were it done.
  expect([id, await done(await run('api.hours', hour(HOUR / 4)))]).toEqual([id, false]);
  expect(await done(await run('api.hours', hour(-HOUR / 4)))).toBe(true);
  // A schedule starts at the end of its interval by the clock of Temporal, which may differ a little.
  expect(await done(await run('api.hours', { ...hour(3_000 + offset / 1_000_000), once: true }))).toBe(true);
});

it('a clock that jumps a day ahead and an hour back skips no row, and holds up no lease, stage or publication', async () => {
  const { database } = bench.test;
  const table = () => database.query('SELECT id::int FROM shop_dev_raw.api_orders ORDER BY id').then((all) => all.map(({ id }) => id)); // prettier-ignore
  rows = [{ id: 1, at: iso(now - 2 * HOUR) }, { id: 2, at: iso(now + 12 * HOUR) }]; // prettier-ignore
  setClock(now + DAY);
  await run('api.orders');
  // By the worker's clock the second is no row from the future: the cursor must not follow it.
  const [state] = await database.query(`SELECT value FROM plumbline.cursors`);
  expect(Date.parse(String(state!['value']))).toBeLessThan(now + HOUR);

  // Two rows of the hour before, as it really is, after the clock was set right, and then too far back.
  rows.push({ id: 3, at: iso(now - HOUR / 2) });
  setClock(now);
  await run('api.orders');
  rows.push({ id: 4, at: iso(now - HOUR / 4) });
  const opened = await bench.open('run-jump', ['elt'], { only: 'load', select: ['api.orders'] });
  setClock(now - HOUR);
  await bench.elt(opened.run, opened.plan);
  setClock(now + DAY);
  await bench.close(opened.run);
  expect(await table()).toEqual([1, 2, 3, 4]);
  expect(await database.query(`SELECT FROM plumbline.leases WHERE holder <> ''`)).toEqual([]);
  const marks = await database.query(`SELECT status, started_at > now() - interval '1 hour' AND ended_at < now() + interval '1 hour' AS right FROM plumbline.runs WHERE run_id = 'run-jump'`); // prettier-ignore
  expect(marks).toEqual([{ status: 'succeeded', right: true }]);
});
