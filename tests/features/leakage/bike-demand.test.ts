import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkLeakage, findLeakage } from '../../../src/features/leakage/check-leakage.js';
import { heldOutScore } from '../../../src/features/leakage/held-out-score.js';
import { predictFromColumn } from '../../../src/features/leakage/single-predictor.js';
import type { FeatureViewFile } from '../../../src/model/project.js';
import { at, labelsOf, openFixture, viewOf, type BuildOptions, type Fixture } from '../fixture.js';

const EXAMPLE = new URL('../../../examples/bike-demand/', import.meta.url);
const HOURS = { entity: ['hour_at'], eventTime: 'hour_at' };

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture();
  const { database } = fixture;
  await database.execute(`CREATE TABLE hours (instant int, dteday date, season int, yr int, mnth int, hr int, holiday int, weekday int,
    workingday int, weathersit int, temp float8, atemp float8, hum float8, windspeed float8, casual int, registered int, cnt int)`);
  await database.session((session) =>
    session.copyFrom('COPY hours FROM STDIN (FORMAT csv, HEADER)', createReadStream(new URL('data/hour.csv', EXAMPLE))),
  );
  await database.execute("CREATE VIEW rides AS SELECT dteday + hr * interval '1 hour' AS hour_at, * FROM hours");
});
afterAll(() => fixture.drop());

const labels = labelsOf('SELECT hour_at, cnt AS rides FROM rides', {
  entity: ['hour_at'],
  labelTime: 'hour_at',
  target: 'rides',
  horizonMs: 86_400_000,
});
const users = (settings: Partial<FeatureViewFile> = {}, known = '') =>
  viewOf('users', `SELECT hour_at${known}, hr, casual, registered FROM rides`, { ...HOURS, ...settings });
const lags = viewOf(
  'lags',
  `SELECT r.hour_at, r.hour_at - interval '1 day' AS known, d.cnt AS lag24, w.cnt AS lag168 FROM rides AS r
     LEFT JOIN rides AS d ON d.hour_at = r.hour_at - interval '1 day'
     LEFT JOIN rides AS w ON w.hour_at = r.hour_at - interval '7 days'`,
  { ...HOURS, knownAt: 'known' },
);

async function build(views: readonly FeatureViewFile[], horizonMs = 86_400_000, options: Partial<BuildOptions> = {}) {
  const trainingSet = await fixture.build({
    labels: { ...labels, horizonMs },
    views,
    testFrom: '2012-10-01',
    ...options,
  });
  return { trainingSet, table: await fixture.table(trainingSet) };
}

describe('with casual and registered among the features of the bike demand', () => {
  it('stops at the join when nothing says that they are known a day ahead', async () => {
    await expect(build([lags, users()])).rejects.toMatchObject({
      code: 'FEATURES_LEAK',
      details: { columns: ['hr', 'casual', 'registered'], views: ['users'] },
    });
  });

  it.each([
    ['predictions are made at the hour itself', users(), 0],
    [
      'the view claims that they are known a day ahead',
      users({ knownAt: 'known' }, `, hour_at - interval '1 day' AS known`),
      86_400_000,
    ],
  ])('names both, and neither hr nor the lags, when %s', async (_case, view, horizonMs) => {
    const checked = await build([lags, view], horizonMs);
    expect(checked.trainingSet).toMatchObject({ rows: 17_379, trainRows: 15_211, testRows: 2_168 });
    expect(await findLeakage(checked)).toMatchObject({
      passed: false,
      findings: [
        {
          rule: 'additive identity',
          columns: ['casual', 'registered'],
          evidence: 'rides = casual + registered in 17379 of 17379 rows',
        },
      ],
    });
    await expect(checkLeakage(checked)).rejects.toThrow(
      'Feature columns casual, registered would leak the target: rides = casual + registered in 17379 of 17379 rows.',
    );
  });

  it('tells no single column by its score alone', async () => {
    const { trainingSet, table } = await build([lags, users()], 0);
    const target = table.columns.get('rides')!.values as Float64Array;
    const split = table.columns.get('_split')!.values;
    const rows = (part: string) => Int32Array.from([...split.keys()].filter((row) => split[row] === part));
    const scores: [string, number][] = [];
    for (const { name } of trainingSet.features) {
      const predictions = await predictFromColumn(table.columns.get(name)!, target, rows('train'));
      scores.push([name, await heldOutScore('regression', target, predictions, rows('test'))]);
    }
    // scikit-learn's histogram boosting on the single column: .65, .68, .50, .47, .95.
    const expected = { lag24: 0.65, lag168: 0.68, hr: 0.5, casual: 0.47, registered: 0.95 };
    for (const [name, score] of scores) expect(score, name).toBeCloseTo(expected[name as keyof typeof expected], 1);
  });

  it('stops at scaled parts by least squares', async () => {
    const view = viewOf('users', 'SELECT hour_at, hr, casual / 3.0 AS c, sqrt(2) * registered AS r FROM rides', HOURS);
    const report = await findLeakage(await build([lags, view], 0));
    expect(report.findings).toMatchObject([
      { rule: 'linear identity', columns: expect.arrayContaining(['c', 'r']) as string[] },
    ]);
    expect(report.findings[0]!.columns).toHaveLength(2);
  });

  it('stops at the target under another scale, coarsened, or as text', async () => {
    const view = viewOf(
      'copies',
      `SELECT hour_at, hr, ln(cnt + 1) AS log_rides, cnt / 20 AS tens, 'r' || (cnt / 20) AS label, -cnt AS negative FROM rides`,
      HOURS,
    );
    const report = await findLeakage(await build([lags, view], 0));
    expect(report.findings.map(({ rule, columns }) => [rule, ...columns])).toEqual([
      ['additive identity', 'negative'],
      ['near-perfect predictor', 'log_rides'],
      ['near-perfect predictor', 'tens'],
      ['near-perfect predictor', 'label'],
    ]);
  });

  it('leaves out what somebody vouches for, and says so', async () => {
    const report = await findLeakage({ ...(await build([lags, users()], 0)), accepted: new Set(['casual']) });
    expect(report.passed).toBe(true);
    expect(report.checks).toContain('accepted without a check: casual');
  });
});

describe('the features of examples/bike-demand', async () => {
  const sql = async (path: string) => readFile(new URL(path, EXAMPLE), 'utf8');
  const demand = await sql('sql/demand.sql');
  const views = await Promise.all(
    ['calendar', 'demand_lags', 'weather'].map(async (name) =>
      viewOf(name, await sql(`features/${name}.sql`), { ...HOURS, knownAt: 'known_at' }),
    ),
  );
  const tables = {
    refs: new Map([['demand', `(${demand.replace(/\{\{.*\}\}/, 'hours')})`]]),
    rewrittenTables: new Set(['demand']),
  };

  it('pass, weather as a declared forecast included', async () => {
    const checked = await build(views, undefined, { ...tables, labels: { ...labels, sql: await sql('labels.sql') } });
    expect(await findLeakage(checked)).toMatchObject({ passed: true, findings: [] });
    expect(checked.trainingSet).toMatchObject({ rows: 17_379, trainRows: 15_211, testRows: 2_168, task: 'regression' });
  });

  it('give the lag of a week in all but 39 of the test hours', async () => {
    const { table } = await build(views, undefined, tables);
    const lag = table.columns.get('lag168')!.values;
    const times = table.columns.get('hour_at')!.values;
    const test = [...lag.keys()].filter((row) => Number(times[row]) >= at('2012-10-01'));
    expect(test.filter((row) => Number.isNaN(lag[row]))).toHaveLength(39);
  });
});
