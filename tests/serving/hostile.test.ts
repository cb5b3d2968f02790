import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { promote } from '../../src/deployment/promote.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import { renderModelCard } from '../../src/training/model-card/render-model-card.js';
import type { TrainedModel } from '../../src/training/trained-model.js';
import { trainModel } from '../../src/training/train-model.js';
import { newVersion } from '../deployment/new-version.js';
import { literalTrainingSet, numbers, texts } from '../training/training-set.js';
import { createServingSite, eventually, type ServingSite } from './start-server.js';

/** Names and categories that mean something to a shell, a page, a terminal, JSON or ONNX: trained, registered, served and logged. */
const NAME = '<script>alert("x")</script>|`\u001b[31m\n\u202e__proto__';
const OTHER = 'constructor';
const LONG = 'ü'.repeat(100_000);

let site: ServingSite;
let url: string;
let categories: string[];
let rows: Record<string, unknown>[];
let model: TrainedModel;

beforeAll(async () => {
  const file = new URL('../fixtures/elt/naughty-strings.json', import.meta.url);
  const naughty = (JSON.parse(await readFile(file, 'utf8')) as string[]).map((text) => text.replaceAll('\0', ''));
  const extra = [LONG, '\u001b[31m', '\u009b1m', 'a\rb', '\u2028', '\ufeff', '👩‍👩‍👧', 'e\u0301', 'é'];
  categories = [...new Set([...naughty, ...extra])].filter((text) => text !== '').slice(-250);
  const times = Array.from({ length: 4 }, () => categories).flat();
  const split = times.map((_, row) => (row < 3 * categories.length ? 'train' : 'test'));
  const set = literalTrainingSet({
    task: 'regression',
    target: 'y',
    features: [NAME, OTHER],
    columns: {
      [NAME]: texts(...times),
      [OTHER]: numbers(...times.map((_, row) => row % 3)),
      y: numbers(...times.map((text) => (categories.indexOf(text) * 37) % 251)),
    },
    split,
  });
  const trainer = {
    type: 'gradient_boosting' as const,
    parameters: { minSamplesLeaf: 1, nEstimators: 80, learningRate: 0.3 },
  };
  model = await trainModel({ ...set, trainer, seed: 1 });
  rows = times.flatMap((text, row) => (split[row] === 'test' ? [{ [NAME]: text, [OTHER]: row % 3 }] : []));

  site = await createServingSite();
  const onnx = Buffer.from(model.onnx);
  await site.store.put(onnx);
  const card = renderModelCard({ name: 'demand', trainer: trainer.type, parameters: model.parameters, seed: 1, trainingSet: set.trainingSet, metrics: model.metrics, trainMetrics: model.trainMetrics, baselines: [], gates: [], importance: model.importance, parity: { maxDelta: 0, rows: rows.length } }); // prettier-ignore
  const version = newVersion({
    onnx: { sha256: createHash('sha256').update(onnx).digest('hex'), bytes: onnx.byteLength },
    signature: model.signature,
    modelCard: card,
  });
  await registerVersion({ database: site.test.database, version });
  const { env, project } = version;
  await promote({ database: site.test.database, env, project, model: 'demand', version: 1, who: 't', reason: 't' });
  ({ url } = await site.serve());
}, 60_000);
afterAll(() => site?.end());

const predict = (body: unknown) => site.post(`${url}/models/demand/predict`, body);

it('every naughty category is told apart, answered as it was trained, and logged as it was sent', async () => {
  expect(model.metrics['rmse']).toBeLessThan(5);
  const answered = await predict({ rows });
  expect(answered.status).toBe(200);
  // As JSON has the numbers: float32, in decimal.
  expect(answered.body['predictions']).toEqual([...model.predictions].map(Math.fround));
  expect(answered.body).not.toHaveProperty('warnings');
  const tensors = [
    { name: NAME, datatype: 'BYTES', shape: [rows.length, 1], data: rows.map((row) => row[NAME]) },
    { name: OTHER, datatype: 'FP32', shape: [rows.length, 1], data: rows.map((row) => row[OTHER]) },
  ];
  const inferred = await site.post(`${url}/v2/models/demand/infer`, { inputs: tensors });
  expect(inferred.body).toMatchObject({ outputs: [{ data: answered.body['predictions'] }] });

  const logged = await eventually(
    () =>
      site.test.database.query<{ prediction_id: string; inputs: unknown }>(
        'SELECT prediction_id, inputs FROM plumbline.predictions',
      ),
    (found) => found.length === 2 * rows.length,
  );
  const byId = new Map(logged.map(({ prediction_id: id, inputs }) => [id, inputs]));
  const ids = answered.body['prediction_ids'] as string[];
  expect(ids.map((id) => byId.get(id))).toEqual(rows);
}, 30_000);

it('what is no text is refused before it is predicted; a megabyte of one is answered or refused as too large', async () => {
  const good = { [NAME]: categories[0], [OTHER]: 1 };
  const body = Buffer.from(JSON.stringify({ ...good, [NAME]: '@' }));
  body[body.lastIndexOf('@')] = 0xff;
  const post = (bytes: Uint8Array<ArrayBuffer>) =>
    fetch(`${url}/models/demand/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: bytes,
    });
  const refused = await post(body);
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { error: 'body: got bytes that are not UTF-8, expected JSON in UTF-8', code: 'SERVE_BODY_INVALID' },
  ]);
  const withMark = await post(Buffer.from(`\ufeff${JSON.stringify(good)}`));
  expect(withMark.status).toBe(200);
  const large = await predict({ ...good, [NAME]: 'x'.repeat(900_000) });
  expect(large).toMatchObject({ status: 200, body: { warnings: [{ input: NAME }] } });
  expect(JSON.stringify(large.body).length).toBeLessThan(1_000);
  expect((await predict({ ...good, [NAME]: 'x'.repeat(1_100_000) })).status).toBe(413);
});

it('the page, the card, the metrics and the refusals hold no markup of a name', async () => {
  const page = await (await fetch(`${url}/models/demand`, { headers: { accept: 'text/html' } })).text();
  expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)');
  expect(page).not.toContain('<script');
  const { body } = await site.post(`${url}/models/${encodeURIComponent(NAME)}/predict`, {});
  expect(body).toMatchObject({ code: 'SERVE_MODEL_UNKNOWN' });
  const answer = await fetch(`${url}/nope/<script>`, { method: 'POST' });
  expect([answer.headers.get('content-type'), answer.headers.get('x-content-type-options')]).toEqual([
    'application/json; charset=utf-8',
    'nosniff',
  ]);
  for (const line of (await (await fetch(`${url}/metrics`)).text()).trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) .+|\w+(\{model="demand"\})? [\d.]+)$/);
});
