import { describe, expect, it } from 'vitest';
import { findAdditiveIdentities } from '../../../src/features/leakage/additive-identity.js';
import { findLeakage } from '../../../src/features/leakage/check-leakage.js';
import { averageRanks, heldOutScore, rankCorrelation } from '../../../src/features/leakage/held-out-score.js';
import type { NumberFeature } from '../../../src/features/leakage/leak-report.js';
import type { Task, TrainingSet } from '../../../src/model/training-set.js';
import type { Column, ColumnTable } from '../../../src/table/column-table.js';

const DAY = 86_400_000;

/** A Park–Miller generator: the same numbers on every run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** `rows` days of one entity, the last fifth held out unless said otherwise. */
function setOf(
  target: Float64Array,
  features: Record<string, Float64Array | string[]>,
  task: Task = 'regression',
  testShare = 0.2,
) {
  const rows = target.length;
  const columns = new Map<string, Column>([
    ['entity', { kind: 'text', values: new Array<string>(rows).fill('a') }],
    ['day', { kind: 'time', values: Float64Array.from({ length: rows }, (_v, row) => row * DAY) }],
  ]);
  for (const [name, values] of Object.entries(features))
    columns.set(name, values instanceof Float64Array ? { kind: 'number', values } : { kind: 'text', values });
  columns.set('y', { kind: 'number', values: target });
  columns.set('_split', {
    kind: 'text',
    values: Array.from({ length: rows }, (_v, row) => (row < rows * (1 - testShare) ? 'train' : 'test')),
  });
  const trainingSet: TrainingSet = {
    artifact: { sha256: '0'.repeat(64), bytes: 0 },
    rows,
    trainRows: Math.ceil(rows * (1 - testShare)),
    testRows: Math.floor(rows * testShare),
    task,
    entity: ['entity'],
    labelTime: 'day',
    target: 'y',
    horizonMs: DAY,
    testFrom: '1970-01-01',
    features: Object.entries(features).map(([name, values]) => ({
      name,
      view: 'v',
      kind: values instanceof Float64Array ? 'number' : 'text',
      nullShare: 0,
    })),
    assumptions: [],
    inputs: {},
  };
  const table: ColumnTable = { rowCount: rows, columns };
  return { table, trainingSet };
}

const column = (length: number, value: (row: number) => number) =>
  Float64Array.from({ length }, (_v, row) => value(row));
const named = (report: { findings: readonly { rule: string; columns: readonly string[] }[] }) =>
  report.findings.map(({ rule, columns }) => `${rule}: ${columns.join(', ')}`);

describe('findAdditiveIdentities', () => {
  const random = randomOf(7);
  const noise = (name: string): NumberFeature => ({
    name,
    values: column(1000, () => Math.round(random() * 100) / 10),
  });
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(noise);
  const sum = (terms: readonly [number, NumberFeature][]) =>
    column(1000, (row) => terms.reduce((total, [sign, { values }]) => total + sign * values[row]!, 0));

  it.each([
    ['y = b', [[1, b]], ['b']],
    ['y = −b', [[-1, b]], ['b']],
    [
      'y = d − a',
      [
        [1, d],
        [-1, a],
      ],
      ['a', 'd'],
    ],
    [
      'y = −a − b',
      [
        [-1, a],
        [-1, b],
      ],
      ['a', 'b'],
    ],
    [
      'y = c + e − a',
      [
        [1, c],
        [1, e],
        [-1, a],
      ],
      ['a', 'c', 'e'],
    ],
  ] as [string, [number, NumberFeature][], string[]][])('finds %s', async (_formula, terms, columns) => {
    expect((await findAdditiveIdentities('y', sum(terms), [a!, b!, c!, d!, e!])).map((one) => one.columns)).toEqual([
      columns,
    ]);
  });

  it('finds a sum that is wrong in one row of a thousand, and none that is wrong in two', async () => {
    const target = sum([
      [1, a!],
      [1, b!],
    ]);
    target[500]! += 5;
    expect((await findAdditiveIdentities('y', target, [a!, b!, c!])).map((one) => one.evidence)).toEqual([
      'y = a + b in 999 of 1000 rows',
    ]);
    target[600]! += 5;
    expect(await findAdditiveIdentities('y', target, [a!, b!, c!])).toEqual([]);
  });

  it('looks only at rows where all parts are present', async () => {
    const sparse = { name: 'sparse', values: b!.values.map((value, row) => (row % 2 === 0 ? NaN : value)) };
    expect(
      (
        await findAdditiveIdentities(
          'y',
          sum([
            [1, a!],
            [1, b!],
          ]),
          [a!, sparse],
        )
      ).map((one) => one.evidence),
    ).toEqual(['y = a + sparse in 500 of 500 rows']);
  });

  it('is not taken in by a rare flag beside a rare target', async () => {
    const target = column(10_000, (row) => (row % 1999 === 7 ? 1 : 0));
    const flag = { name: 'flag', values: column(10_000, (row) => (row % 4000 === 9 ? 1 : 0)) };
    const other = { name: 'other', values: column(10_000, (row) => (row % 5000 === 11 ? 1 : 0)) };
    expect(await findAdditiveIdentities('y', target, [flag, other])).toEqual([]);
  });

  it('ends when a column is many orders of magnitude larger than the target', async () => {
    const target = column(400, (row) => row % 2);
    const epoch = { name: 'epoch', values: column(400, (row) => 1.7e9 + row * 3600) };
    const start = { name: 'start', values: column(400, (row) => 1.7e9 + row * 3600 - target[row]!) };
    const other = { name: 'other', values: column(400, (row) => row % 7) };
    expect(await findAdditiveIdentities('y', target, [epoch, other])).toEqual([]);
    expect((await findAdditiveIdentities('y', target, [epoch, other, start])).map((one) => one.columns)).toEqual([
      ['epoch', 'start'],
    ]);
  });

  it('is not taken in by small columns when one target is huge, and still finds the sum', async () => {
    const target = sum([
      [1, a!],
      [1, b!],
    ]);
    target[500] = 1e12;
    expect((await findAdditiveIdentities('y', target, [a!, b!, c!, d!])).map((one) => one.evidence)).toEqual([
      'y = a + b in 999 of 1000 rows',
    ]);
    const small = { name: 'small', values: d!.values.map((value) => value / 1000) };
    expect(await findAdditiveIdentities('y', target, [small, c!])).toEqual([]);
  });

  it('finds a sum over many orders of magnitude, zeros and the rounding of decimals included', async () => {
    const parts = [3, 4].map((seed): NumberFeature => {
      const draw = randomOf(seed);
      const signed = (): number => (draw() < 0.5 ? -1 : 1) * Number((10 ** (draw() * 9)).toFixed(2));
      return { name: `part${seed}`, values: column(1000, (row) => (row % 10 === 0 ? 0.1 * seed : signed())) };
    });
    // As decimals: 0.3 + 0.4 = 0.7, and not what doubles give.
    const target = column(1000, (row) => Number((parts[0]!.values[row]! + parts[1]!.values[row]!).toFixed(2)));
    expect((await findAdditiveIdentities('y', target, [...parts, c!])).map((one) => one.columns)).toEqual([
      ['part3', 'part4'],
    ]);
  });

  it('finds the one sum of three among 300 columns of small whole numbers', async () => {
    const draw = randomOf(11);
    const many = Array.from({ length: 300 }, (_v, index) => ({
      name: `x${index}`,
      values: column(2000, () => Math.floor(draw() * 20)),
    }));
    const target = column(2000, (row) => many[17]!.values[row]! + many[130]!.values[row]! - many[299]!.values[row]!);
    expect((await findAdditiveIdentities('y', target, many)).map((one) => one.columns)).toEqual([
      ['x17', 'x130', 'x299'],
    ]);
  });
});

describe('findLeakage', () => {
  it('passes a lag in a slow series, whose own past predicts as well', async () => {
    const random = randomOf(3);
    const series = [1000];
    for (let day = 1; day < 1500; day++) series.push(series[day - 1]! + random() * 10 - 4);
    const set = setOf(Float64Array.from(series), {
      lag: column(1500, (row) => series[row - 1] ?? NaN),
      lag7: column(1500, (row) => series[row - 7] ?? NaN),
      index: column(1500, (row) => row),
    });
    expect(named(await findLeakage(set))).toEqual([]);
  });

  it('stops at the target itself in such a series', async () => {
    const random = randomOf(3);
    const series = [1000];
    for (let day = 1; day < 1500; day++) series.push(series[day - 1]! + random() * 10 - 4);
    const set = setOf(Float64Array.from(series), {
      lag: column(1500, (row) => series[row - 1] ?? NaN),
      taxed: column(1500, (row) => 1.19 * series[row]! + 3),
    });
    expect(named(await findLeakage(set))).toEqual(['near-perfect predictor: taxed']);
  });

  it('stops at a column that tells the class, by number or by text, and passes a good honest one', async () => {
    const random = randomOf(5);
    const target = column(2000, () => (random() < 0.2 ? 1 : 0));
    const set = setOf(
      target,
      {
        closed: column(2000, (row) => (target[row] === 1 ? 20 + row : random() < 0.01 ? 1 : NaN)),
        status: Array.from(target, (value) => (value === 1 ? 'lost' : 'open')),
        flag: column(2000, (row) => 1 - target[row]!),
        honest: column(2000, (row) => target[row]! * 1.5 + random() * 3),
      },
      'binary',
    );
    expect(named(await findLeakage(set))).toEqual([
      'near-perfect predictor: closed',
      'near-perfect predictor: status',
      'near-perfect predictor: flag',
    ]);
  });

  describe('with too few test rows of one class', () => {
    /** Days of which 30 % are held out; `every`: the distance of the rows with target 1. */
    const rare = (rows: number, every: number) => {
      const random = randomOf(5);
      const target = column(rows, (row) => (row % every === 7 ? 1 : 0));
      return setOf(
        target,
        {
          amount: column(rows, (row) => 10 * target[row]! + 5 * random()),
          closed: column(rows, (row) => (target[row] === 1 ? row : NaN)),
          status: Array.from(target, (value) => (value === 1 ? 'lost' : 'open')),
          day: column(rows, (row) => row),
          noise: column(rows, () => random()),
        },
        'binary',
        0.3,
      );
    };

    it.each([
      [400, 30, 4, 140],
      // Bins of 20 rows would hold most of a class of six.
      [200, 18, 3, 100],
    ])('scores on the latest of %i rows, and finds what tells the class', async (rows, every, positives, scored) => {
      const set = rare(rows, every);
      const target = set.table.columns.get('y')!.values as Float64Array;
      expect(target.slice(rows * 0.7).reduce((sum, value) => sum + value)).toBe(positives);
      const report = await findLeakage(set);
      expect(named(report)).toEqual([
        'near-perfect predictor: amount',
        'near-perfect predictor: closed',
        'near-perfect predictor: status',
      ]);
      expect(report).toMatchObject({ passed: false, notChecked: [] });
      expect(report.checks).toContain(`scored on the latest ${scored} rows`);
    });

    it('says what was not checked where no cut leaves five of each class on both sides', async () => {
      expect(await findLeakage(rare(400, 60))).toMatchObject({
        passed: true,
        notChecked: ['single columns: too few rows of one class to learn from earlier and score later ones'],
      });
    });
  });

  it.each([
    ['are fewer than 20', 0.05, 200],
    ['all have one target', 0.2, 160],
  ])('scores on the latest rows of all where the test rows %s', async (_case, testShare, ended) => {
    const random = randomOf(4);
    const [a, b] = [3, 3].map((most) => column(200, (row) => (row < ended ? Math.floor(random() * most) : 0)));
    const target = column(200, (row) => 2 * a![row]! + 3 * b![row]!);
    const label = Array.from(target, (value) => `v${value}`);
    expect(named(await findLeakage(setOf(target, { a: a!, b: b!, label }, 'regression', testShare)))).toEqual([
      'near-perfect predictor: label',
      'linear identity: b, a',
    ]);
  });

  it('says that linear combinations of more columns than the rows allow were not checked', async () => {
    const random = randomOf(6);
    const noise = Object.fromEntries(
      Array.from({ length: 30 }, (_v, index) => [`x${index}`, column(150, () => random())]),
    );
    const report = await findLeakage(
      setOf(
        column(150, () => random()),
        noise,
      ),
    );
    expect(report.notChecked).toEqual(['linear combinations: 120 rows for 30 numeric columns']);
  });

  it('passes noise, constants, all-missing columns and names like __proto__', async () => {
    const random = randomOf(9);
    const set = setOf(
      column(500, () => random()),
      {
        ['__proto__x']: column(500, () => random()),
        constant: column(500, () => 4),
        missing: column(500, () => NaN),
        text: Array.from({ length: 500 }, () => 'same'),
        id: Array.from({ length: 500 }, (_v, row) => `row ${row}`),
      },
    );
    expect(await findLeakage(set)).toMatchObject({ passed: true, findings: [] });
  });
});

describe('the scores', () => {
  // The examples in the documentation of scikit-learn's r2_score and roc_auc_score and of scipy's rankdata and spearmanr.
  const rows = (length: number) => Int32Array.from({ length }, (_v, row) => row);
  const repeat = (values: number[]) => Float64Array.from({ length: 20 }, (_v, row) => values[row % values.length]!);

  it('R² agrees with scikit-learn', async () => {
    expect(await heldOutScore('regression', repeat([3, -0.5, 2, 7]), repeat([2.5, 0, 2, 8]), rows(20))).toBeCloseTo(
      0.9486081370449679,
      12,
    );
  });

  it('AUC agrees with scikit-learn and is the same the other way round', async () => {
    const target = repeat([0, 0, 1, 1]);
    expect(await heldOutScore('binary', target, repeat([0.1, 0.4, 0.35, 0.8]), rows(20))).toBeCloseTo(0.75, 12);
    expect(await heldOutScore('binary', target, repeat([-0.1, -0.4, -0.35, -0.8]), rows(20))).toBeCloseTo(0.75, 12);
  });

  it('ranks share ties', async () => {
    expect([...(await averageRanks(Float64Array.of(0, 2, 3, 2)))]).toEqual([1, 2.5, 4, 2.5]);
  });

  it('rank correlation agrees with scipy', async () => {
    expect(await rankCorrelation(repeat([1, 2, 3, 4, 5]), repeat([5, 6, 7, 8, 7]))).toBeCloseTo(0.8207826816681233, 12);
  });

  it('is NaN with fewer than 20 rows or fewer than five of a class', async () => {
    expect(await heldOutScore('regression', repeat([1, 2]), repeat([1, 2]), rows(19))).toBeNaN();
    expect(await heldOutScore('binary', repeat([0]), repeat([1, 2]), rows(20))).toBeNaN();
  });
});
