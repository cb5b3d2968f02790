import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

function trainingSetOf(columns: Readonly<Record<string, Column>>) {
  return literalTrainingSet({
    task: 'regression',
    split: DAYS.map((day) => (day < 30 ? 'train' : 'test')),
    columns,
    target: 'rides',
    features: Object.keys(columns).filter((name) => name !== 'day' && name !== 'rides'),
    entity: ['day'],
    labelTime: 'day',
  });
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
});
