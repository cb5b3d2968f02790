import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareWithChampion } from '../../src/activities/compare-with-champion.js';
import { promote } from '../../src/deployment/promote.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import type { ArtifactStore } from '../../src/model/artifact.js';
import type { TrainingSet } from '../../src/model/training-set.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import type { Column } from '../../src/table/column-table.js';
import type { ChampionComparison } from '../../src/training/gates/evaluate-gates.js';
import { demandSignature, fixtureModel, newVersion } from '../deployment/new-version.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { literalTrainingSet, numbers, texts, times } from '../training/training-set.js';

const DAY = 86_400_000;
const FROM = Date.UTC(2012, 8, 1);
/** Sixty days: thirty to train on, thirty held out. */
const DAYS = [...Array(60).keys()];

let test: TestDatabase;
let folder: string;
let store: ArtifactStore;
beforeAll(async () => {
  test = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'plumbline-champion-'));
  store = openDirectoryStore(folder);
});
afterAll(async () => {
  await test.drop();
  await rm(folder, { recursive: true });
});

/** Rides are what the fixture model predicts: 10 × temperature + 100 in summer + 5. */
const COLUMNS: Readonly<Record<string, Column>> = {
  day: times(...DAYS.map((day) => FROM + day * DAY)),
  temperature: numbers(...DAYS),
  season: texts(...DAYS.map((day) => (day % 2 === 0 ? 'summer' : 'winter'))),
  rides: numbers(...DAYS.map((day) => 10 * day + (day % 2 === 0 ? 105 : 5))),
};

const SAME = { 'features/weather.sql': 'a', 'labels.sql': 'b' };
const CHANGED = { ...SAME, 'features/weather.sql': 'c' };

function trainingSetOf(columns: Readonly<Record<string, Column>>) {
  const made = literalTrainingSet({
    task: 'regression',
    split: DAYS.map((day) => (day < 30 ? 'train' : 'test')),
    columns,
    target: 'rides',
    features: Object.keys(columns).filter((name) => name !== 'day' && name !== 'rides'),
    entity: ['day'],
    labelTime: 'day',
  });
  const artifact = { sha256: 'cd'.repeat(32), bytes: 1 };
  return { ...made, trainingSet: { ...made.trainingSet, artifact, definitions: SAME } };
}

/** What the champion was trained on, as Parquet in the store. */
async function storeRows(
  columns: Readonly<Record<string, Column>>,
  definitions: Record<string, string> | undefined = SAME,
): Promise<Partial<TrainingSet>> {
  const path = join(folder, 'rows.parquet');
  const list = Object.entries(columns).map(([name, { kind, values }]) => {
    const cells = [...values].map((value) => (kind === 'text' ? `'${value}'` : String(value))).join(', ');
    const item = kind === 'time' ? 'epoch_ms(value::BIGINT)' : 'value';
    return `list_transform([${cells}], value -> ${item}) AS "${name}"`;
  });
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const unnested = Object.keys(columns).map((name) => `unnest("${name}") AS "${name}"`);
  await connection.run(`COPY (SELECT ${unnested.join(', ')} FROM (SELECT ${list.join(', ')})) TO '${path}'`);
  connection.closeSync();
  instance.closeSync();
  return { artifact: await store.putFile(path), definitions };
}

/** A challenger that is one off everywhere, against the serving version of `model`. */
async function compare(
  model: string,
  columns: Readonly<Record<string, Column>> = COLUMNS,
  trainingSet: Partial<TrainingSet> = {},
): Promise<ChampionComparison | undefined> {
  const made = trainingSetOf(columns);
  const predictions = Float64Array.from(DAYS.slice(30), (day) => (COLUMNS['rides']!.values[day] as number) + 1);
  const { sha256 } = await store.put(new Uint8Array(predictions.buffer));
  return compareWithChampion({
    database: test.database,
    store,
    key: { env: 'dev', project: 'bikes', model },
    challenger: { onnx: 'c'.repeat(64), predictions: sha256, signature: demandSignature },
    trainingSet: { ...made.trainingSet, ...trainingSet },
    readRows: async () => made.table,
    signal: new AbortController().signal,
  });
}

/** Makes the fixture model the champion of `model`. */
async function serve(model: string, trainingSet: Partial<TrainingSet> = {}): Promise<void> {
  const version = newVersion({ model, trainingSet: { ...trainingSetOf(COLUMNS).trainingSet, ...trainingSet } });
  await store.put(fixtureModel('demand-v1.onnx'));
  await registerVersion({ database: test.database, version });
  await promote({
    database: test.database,
    env: 'dev',
    project: 'bikes',
    model,
    version: 1,
    who: 'ann',
    reason: 'first',
  });
}

describe('compareWithChampion', () => {
  it('measures both on the held-out rows', async () => {
    await serve('fair');
    expect(await compare('fair')).toMatchObject({
      version: 'v1',
      rows: 30,
      championMetrics: { rmse: 0 },
      challengerMetrics: { rmse: 1 },
    });
  });

  it('leaves out the rows that the champion may have been trained on', async () => {
    await serve('later', { testFrom: '2012-10-11' });
    expect(await compare('later')).toMatchObject({ rows: 20, championMetrics: { rmse: 0 } });
    await serve('none-later', { testFrom: '2013-01-01' });
    expect(await compare('none-later')).toMatchObject({ rows: 0 });
  });

  it('is undefined when nothing serves', async () => {
    expect(await compare('nobody')).toBeUndefined();
  });

  it('is not computable when the target is another one, or a feature is gone', async () => {
    await serve('gone', { target: 'riders' });
    expect(await compare('gone')).toMatchObject({ rows: 0, notComputable: 'v1 predicts riders (regression)' });
    await serve('absent');
    const { temperature: _temperature, ...rest } = COLUMNS;
    expect(await compare('absent', rest)).toMatchObject({
      notComputable: 'features of v1 are not in the training set: temperature',
    });
  });

  it('is not computable when a feature has another type', async () => {
    await serve('retyped');
    const columns = { ...COLUMNS, temperature: texts(...DAYS.map(String)), season: numbers(...DAYS) };
    expect(await compare('retyped', columns)).toMatchObject({
      rows: 0,
      notComputable:
        'features of v1 have another type: temperature (number then, text now), season (text then, number now)',
    });
  });

  it('is not computable when the model file of the champion is damaged or gone', async () => {
    await serve('damaged');
    const sha256 = createHash('sha256').update(fixtureModel('demand-v1.onnx')).digest('hex');
    const path = join(folder, 'sha256', sha256.slice(0, 2), sha256);
    await writeFile(path, 'no graph');
    expect(await compare('damaged')).toMatchObject({
      rows: 0,
      notComputable: expect.stringMatching(
        /^the model file of v1 cannot be used: Object .* has the content of .*: refused$/,
      ) as string,
    });
    await rm(path);
    expect(await compare('damaged')).toMatchObject({
      notComputable: expect.stringMatching(/^the model file of v1 cannot be used: .*it is not there$/) as string,
    });
  });

  it('is not computable when onnxruntime refuses the champion', async () => {
    const onnx = await store.put(Buffer.from('no graph'));
    const version = newVersion({ model: 'refused', onnx, trainingSet: trainingSetOf(COLUMNS).trainingSet });
    await registerVersion({ database: test.database, version });
    const key = { env: 'dev', project: 'bikes', model: 'refused' };
    await promote({ database: test.database, ...key, version: 1, who: 'ann', reason: 'first' });
    expect(await compare('refused')).toMatchObject({
      notComputable: expect.stringMatching(/^the model file of v1 cannot be used: .*ONNX/) as string,
    });
  });

  it('needs no look at the values while the code is the same: corrected data is fair to both', async () => {
    const was = { ...COLUMNS, temperature: numbers(...DAYS.map((day) => day + 1)) };
    await serve('corrected', await storeRows(was));
    expect(await compare('corrected')).toMatchObject({ rows: 30, championMetrics: { rmse: 0 } });
  });

  it('compares after a change of the code that leaves the values of the champion alone', async () => {
    await serve('extended', await storeRows(COLUMNS));
    const columns = { ...COLUMNS, rain: numbers(...DAYS) };
    expect(await compare('extended', columns, { definitions: CHANGED })).toMatchObject({
      rows: 30,
      championMetrics: { rmse: 0 },
    });
  });

  it('is not computable when code that changed gives a feature or the target another meaning', async () => {
    await serve('redefined', await storeRows(COLUMNS));
    const columns = { ...COLUMNS, temperature: numbers(...DAYS.map((day) => 60 - day)) };
    expect(await compare('redefined', columns, { definitions: CHANGED })).toMatchObject({
      rows: 0,
      // Day 30 is 30 either way.
      notComputable:
        'features/weather.sql changed, and v1 learned other values of temperature: 59 of the 60 rows in both training sets differ',
    });
    const rides = { ...COLUMNS, rides: numbers(...DAYS.map((day) => 2 * (COLUMNS['rides']!.values[day] as number))) };
    expect(await compare('redefined', rides, { definitions: { ...SAME, 'labels.sql': 'c' } })).toMatchObject({
      notComputable: expect.stringMatching(/^labels.sql changed, and v1 learned other values of rides: 60/) as string,
    });
  });

  it('looks at the values when it is not recorded what the columns came from', async () => {
    const was = { ...COLUMNS, season: texts(...DAYS.map(() => 'winter')) };
    await serve('unrecorded', { ...(await storeRows(was)), definitions: undefined });
    expect(await compare('unrecorded')).toMatchObject({
      notComputable:
        'the code may have changed, and v1 learned other values of season: 30 of the 60 rows in both training sets differ',
    });
  });

  it('is not computable when code changed and no row, or no file, tells whether the features did', async () => {
    const earlier = { ...COLUMNS, day: times(...DAYS.map((day) => FROM - (day + 1) * DAY)) };
    await serve('no-row', await storeRows(earlier));
    expect(await compare('no-row', COLUMNS, { definitions: CHANGED })).toMatchObject({
      notComputable: expect.stringMatching(/^features\/weather.sql changed, and 0 rows are in both/) as string,
    });
    await serve('no-file', { artifact: { sha256: 'd'.repeat(64), bytes: 1 } });
    expect(await compare('no-file', COLUMNS, { definitions: CHANGED })).toMatchObject({
      notComputable: expect.stringMatching(
        /changed, and the training set of v1 cannot be read: .*is not there$/,
      ) as string,
    });
  });
});
