import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { BackfillProgress } from '../../src/contracts/intervals.js';
import { sendJson, startApiServer, type ApiServer } from '../support/api-server.js';
import { createStack, logTail, seededRandom, waitFor, type TestStack } from '../support/stack.js';
import { killPart } from './kills.js';

const DAYS = 4;
const PAGES = 4;
const PARALLEL = 3;
const ANY = 'any moment';
const DAILY = `-- materialized: incremental
-- interval_column: day
SELECT day, count(*)::int AS orders FROM {{ source('api.orders') }}
WHERE day >= '{{ interval.start }}' AND day < '{{ interval.end }}' GROUP BY day
`;
const day = (index: number): string => `2024-01-0${index + 1}`;

let api: ApiServer;
let stack: TestStack;
let template: string;
let log: string;
const BROKEN = day(1);
let broken: string | undefined = BROKEN;
/** Where the worker dies: among the pages of several days, around a publication, or at any moment. */
let death: string;
const random = seededRandom('kill the worker during a parallel backfill');
/** The pages of a moment, so that the test can tell that several days were asked at once. */
let [asking, mostAsking] = [0, 0];

beforeAll(async () => {
  api = await startApiServer(async (_request, response, url) => {
    const [of, page] = [url.searchParams.get('day')!, Number(url.searchParams.get('page') ?? 1)];
    mostAsking = Math.max(mostAsking, ++asking);
    await new Promise((resolve) => setTimeout(resolve, 40));
    asking--;
    if (of === broken && page === 2) response.writeHead(400).end();
    else sendJson(response, { rows: [{ id: `${of}#${page}`, day: of }], next: page < PAGES ? page + 1 : null });
  });
  template = await mkdtemp(join(tmpdir(), 'plumbline-template-'));
  await mkdir(join(template, 'sql'));
  await writeFile(join(template, 'sql', 'daily.sql'), DAILY);
  await writeFile(
    join(template, 'plumbline.yaml'),
    `name: shop
sources:
  api:
    type: http
    url: ${api.url}
    allow_private: true
    pagination: { type: cursor, param: page, token: next }
    records: rows
    resources: { orders: { path: /orders, params: { day: '{interval.start_date}' } } }
`,
  );
  stack = await createStack(template);
  log = join(stack.root, 'failpoints.log');
  // How often a point is passed before: a publication's is passed once by each day.
  const points = {
    'http.page-recorded': 2 * PARALLEL,
    'publish.before-commit': 2,
    'publish.after-commit': 2,
    [ANY]: 0,
  };
  const [point, most] = Object.entries(points)[Math.floor(random() * 4)]!;
  const kill = point === ANY ? '' : `${point}=kill@${1 + Math.floor(random() * most)}`;
  death = point;
  console.log(`the worker dies at ${kill || ANY}`);
  await stack.plumbline(['up'], { env: { PLUMBLINE_FAILPOINTS: kill, PLUMBLINE_FAILPOINT_LOG: log } });
}, 240_000);
afterAll(async () => {
  await stack?.destroy();
  await api?.close();
  if (template !== undefined) await rm(template, { recursive: true, force: true });
}, 60_000);

const backfill = ['backfill', '--from', day(0), '--to', day(DAYS), '--interval', 'daily', '--parallel', `${PARALLEL}`];
const over = () =>
  waitFor(
    'the end of the backfill',
    async () => {
      const progress = await stack.json<BackfillProgress & { status: string }>(['backfills', 'show']);
      return progress.state === 'over' ? progress : undefined;
    },
    180_000,
  ).catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${await logTail(stack, 'worker')}`);
  });
const intervals = () =>
  stack.query<{ day: string; state: string; claims: number }>(
    'SELECT start_at::date::text AS day, state, claims FROM plumbline.intervals ORDER BY 1',
  );
const days = Array.from({ length: DAYS }, (_, index) => day(index));

it('the worker is killed with several intervals at work: each is applied once, and one that fails is tried again alone', async () => {
  await stack.json([...backfill, '--detach']);
  if (death === ANY) {
    await waitFor('its first page', () => Promise.resolve(api.requests.length > 0 || undefined), 60_000);
    await new Promise((resolve) => setTimeout(resolve, 3_000 * random()));
    await killPart(stack, 'worker');
  }
  expect(await over()).toMatchObject({ status: 'completed', done: DAYS - 1, failed: 1, left: 0 });
  expect(await taken()).toEqual(death === ANY ? [] : [death]);
  expect(mostAsking).toBeGreaterThan(1);
  expect(mostAsking).toBeLessThanOrEqual(PARALLEL);
  expect(await intervals()).toEqual(days.map((one) => ({ day: one, state: one === broken ? 'failed' : 'done', claims: 1 }))); // prettier-ignore

  const good = days.filter((one) => one !== broken);
  const asked = api.requests.length;
  // A kill costs the pages in flight, and the broken day's page is tried by the landing and by its run.
  expect(asked).toBeLessThanOrEqual(good.length * PAGES + 4 + 2 * PARALLEL);
  broken = undefined;
  const again = await stack.plumbline([...backfill, '--failed-only']);
  expect(again.code, again.stdout + again.stderr).toBe(0);
  expect(new Set(api.requests.slice(asked).map((request) => /day=([\d-]+)/.exec(request)![1]))).toEqual(new Set([BROKEN])); // prettier-ignore

  expect(await intervals()).toEqual(days.map((one) => ({ day: one, state: 'done', claims: one === BROKEN ? 2 : 1 })));
  const rows = await stack.query<{ id: string }>('SELECT id FROM shop_dev_raw.api_orders ORDER BY id');
  expect(rows.map(({ id }) => id)).toEqual(days.flatMap((one) => Array.from({ length: PAGES }, (_, index) => `${one}#${index + 1}`))); // prettier-ignore
  expect(await stack.query('SELECT day::text, orders FROM shop_dev.daily ORDER BY day')).toEqual(days.map((one) => ({ day: one, orders: PAGES }))); // prettier-ignore
  // Every interval was published once, by a run of its own.
  const [published] = await stack.query(
    `SELECT count(*)::int AS versions, count(DISTINCT run_id)::int AS runs, (SELECT count(*)::int FROM plumbline.loads WHERE status = 'published') AS loads,
       (SELECT count(*)::int FROM pg_tables WHERE schemaname = 'shop_dev_stage') AS stages FROM plumbline.resource_versions`,
  );
  expect(published).toEqual({ versions: DAYS, runs: DAYS, loads: DAYS, stages: 0 });
}, 300_000);

async function taken(): Promise<string[]> {
  return (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((name) => name !== '');
}
