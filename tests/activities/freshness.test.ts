import { afterEach, expect, it, vi } from 'vitest';
import { register as freshness } from '../../src/cli/commands/freshness.js';
import { parseInterval } from '../../src/model/parse-interval.js';
import { printed } from '../support/command.js';
import { createWorkbench, type Workbench } from './workbench.js';

let bench: Workbench;
const cwd = process.cwd();
afterEach(async () => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  await bench.destroy();
});

const yaml = (limits: string): string => `name: shop
sources:
  prices: { path: a.csv, freshness: { ${limits}, loaded_at: changed } }
  shops: { path: b.csv, freshness: { warn_after: { count: 1, period: day } } }
  plain: { path: b.csv }
`;
const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();

it('a source that is too old stops what reads it, one that is getting old warns, and both are said beforehand', async () => {
  bench = await createWorkbench({
    'plumbline.yaml': yaml('warn_after: 12h, error_after: 3d'),
    'a.csv': `item,changed\n1,${daysAgo(2)}\n2,${daysAgo(9)}\n`,
    'b.csv': 'id\n1\n',
    'sql/now.sql': "SELECT item FROM {{ source('prices') }}\n",
    'sql/next.sql': "SELECT item FROM {{ ref('now') }}\n",
    'sql/other.sql': "SELECT id FROM {{ source('shops') }}\n",
  });
  vi.stubEnv('PLUMBLINE_DATABASE_URL', bench.test.url);
  process.chdir(bench.root);
  process.exitCode = 0;
  expect(await printed(freshness, 'freshness', 'shops')).toBe('! warn  shops is not loaded yet, warn after 1 d\n');

  const first = await bench.open('run-1');
  const { transforms } = await bench.elt(first.run, first.plan);
  await bench.close(first.run);
  const warning = 'prices: its newest row is 2 d old, warn after 12 h';
  expect(transforms.map(({ transform, stale }) => [transform, stale])).toEqual([
    ['now', [warning]],
    ['other', undefined],
    ['next', undefined],
  ]);
  expect(await printed(freshness, 'freshness')).toMatch(
    /^! warn {2}prices: its newest row is 2 d old, warn after 12 h.*\n✓ pass {2}shops: its newest row is \d+ s old/,
  );
  expect(process.exitCode).toBe(0);

  // Unchanged or not: what is too old is not passed off as new.
  await bench.write({ 'plumbline.yaml': yaml('error_after: 36h') });
  const second = await bench.open('run-2');
  const plan = await bench.call('explainPlan', { run: second.run });
  const stale = 'prices: its newest row is 2 d old, error after 1 d 12 h';
  expect(plan.lines.map(({ step, action, reason }) => `${action} ${step}: ${reason}`)).toEqual([
    'reuse load:prices: unchanged',
    'reuse load:shops: unchanged',
    'reuse load:plain: unchanged',
    `fail transform:now: ELT_SOURCE_STALE: ${stale}`,
    'reuse transform:other: unchanged',
    'skip transform:next: transform:now fails',
  ]);
  await expect(bench.elt(second.run, second.plan)).rejects.toMatchObject({
    message: expect.stringContaining('A source is too old') as string,
    nonRetryable: true,
  });
  await bench.close(second.run, 'failed');
  expect(await bench.test.database.query('SELECT count(*)::int AS rows FROM shop_dev.now')).toEqual([{ rows: 2 }]);
  expect(JSON.parse(await printed(freshness, 'freshness', '--json'))).toMatchObject([
    { resource: 'prices', status: 'error', message: stale, at: { file: 'plumbline.yaml', line: 3 } },
    { resource: 'shops', status: 'pass' },
  ]);
  expect(process.exitCode).toBe(1);
  process.exitCode = 0;

  // New rows are on the way: until they are loaded it is a warning.
  await bench.write({ 'a.csv': `item,changed\n1,${daysAgo(1)}\n` });
  const third = await bench.open('run-3');
  const renewed = await bench.call('explainPlan', { run: third.run });
  expect(renewed.warnings).toEqual([stale]);
  expect(renewed.lines.filter(({ action }) => action === 'fail')).toEqual([]);
  await bench.elt(third.run, third.plan);
  await bench.close(third.run);

  // A run about the past asks how old the rows were at its end: a backfill is not late.
  await bench.write({ 'a.csv': `item,changed\n1,${daysAgo(10)}\n` });
  const about = async (runId: string, days: number) => {
    const [start, end] = [days, days - 1].map((one) => daysAgo(one).slice(0, 10));
    return bench.open(runId, ['elt'], { interval: parseInterval(`${start}/${end}`, 'UTC') });
  };
  const past = await about('run-4', 10);
  await bench.elt(past.run, past.plan);
  await bench.close(past.run);
  const quiet = await about('run-5', 8);
  const { lines } = await bench.call('explainPlan', { run: quiet.run });
  expect(lines[3]).toMatchObject({ action: 'fail', reason: expect.stringMatching(/newest row was 2 d .* old at the interval's end \(/) as string }); // prettier-ignore
  await expect(bench.elt(quiet.run, quiet.plan)).rejects.toMatchObject({ nonRetryable: true });
  await bench.close(quiet.run, 'failed');

  await bench.write({ 'plumbline.yaml': yaml('error_after: 36h').replace('loaded_at: changed', 'loaded_at: item') });
  await expect(printed(freshness, 'freshness')).rejects.toMatchObject({ code: 'ELT_FRESHNESS_COLUMN' });
  await expect(printed(freshness, 'freshness', 'plain')).rejects.toMatchObject({ code: 'ELT_FRESHNESS_UNKNOWN' });
});
