import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demandSignature } from '../deployment/new-version.js';
import { createServingSite, eventually, type ServingSite } from './start-server.js';

let site: ServingSite;
let url: string;
beforeAll(async () => {
  site = await createServingSite();
  await site.deploy('demand-v1.onnx');
  ({ url } = await site.serve());
});
afterAll(() => site.end());

const predictionsTotal = async () =>
  /^plumbline_predictions_total (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())![1];
const predict = (body: unknown) => site.post(`${url}/models/demand/predict`, body);

describe('POST /models/<model>/predict', () => {
  it('takes one row plain, one under "inputs" and several under "rows"', async () => {
    const row = { temperature: 1, season: 'summer' };
    for (const body of [row, { inputs: row }, { rows: [row] }]) {
      expect(await predict(body)).toMatchObject({
        status: 200,
        body: { model: 'demand', version: 1, predictions: [115], prediction_ids: [expect.any(String)] },
      });
    }
    const many = await predict({ rows: [row, { temperature: null, season: 'winter' }] });
    expect(many.body['predictions']).toEqual([115, 205]);
    expect(many.body).not.toHaveProperty('warnings');
    const [first, second] = many.body['prediction_ids'] as string[];
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(second).not.toBe(first);
  });

  it('answers a category that the model does not know and says so', async () => {
    const rows = [
      { temperature: 1, season: 'summer' },
      { temperature: 1, season: 'monsoon' },
    ];
    expect((await predict({ rows })).body).toMatchObject({
      predictions: [115, 15],
      warnings: [
        {
          row: 1,
          input: 'season',
          message: 'category the string "monsoon" is none of those the model knows: treated as missing',
        },
      ],
    });
  });

  it.each([
    ['a missing input', { temperature: 1 }, 'SERVE_INPUT_MISSING', 'season'],
    ['an unknown input', { temperature: 1, season: 'summer', humidity: 2 }, 'SERVE_INPUT_UNKNOWN', 'humidity'],
    ['a misspelt input', { Temperature: 1, season: 'summer' }, 'SERVE_INPUT_MISSING', 'temperature'],
    ['a number as text', { temperature: '0.1', season: 'summer' }, 'SERVE_INPUT_INVALID', 'temperature'],
    ['a boolean', { temperature: true, season: 'summer' }, 'SERVE_INPUT_INVALID', 'temperature'],
    ['an array', { temperature: [1], season: 'summer' }, 'SERVE_INPUT_INVALID', 'temperature'],
    ['an object', { temperature: {}, season: 'summer' }, 'SERVE_INPUT_INVALID', 'temperature'],
    ['a number beyond 32 bits', { temperature: 1e39, season: 'summer' }, 'SERVE_INPUT_INVALID', 'temperature'],
    ['null without missing values in training', { temperature: 1, season: null }, 'SERVE_INPUT_INVALID', 'season'],
    ['a number for a category', { temperature: 1, season: 1 }, 'SERVE_INPUT_INVALID', 'season'],
    ['NUL in a text', { temperature: 1, season: 'sum\0mer' }, 'SERVE_INPUT_INVALID', 'season'],
    ['an input twice', '{"temperature": 1, "season": "summer", "temperature": 2}', 'SERVE_BODY_INVALID', 'temperature'],
    [
      'an input twice in a row',
      '{"rows": [{"temperature": 1, "season": "summer", "s\\u0065ason": "winter"}]}',
      'SERVE_BODY_INVALID',
      'season',
    ],
    [
      '__proto__ as an input',
      '{"temperature": 1, "season": "summer", "__proto__": 1}',
      'SERVE_INPUT_UNKNOWN',
      '__proto__',
    ],
    [
      'inputs hidden in __proto__',
      '{"__proto__": {"temperature": 1, "season": "summer"}}',
      'SERVE_INPUT_MISSING',
      'temperature',
    ],
    ['a number that overflows', '{"temperature": 1e999, "season": "summer"}', 'SERVE_INPUT_INVALID', 'temperature'],
    ['a lone surrogate', '{"temperature": 1, "season": "\\ud800"}', 'SERVE_INPUT_INVALID', 'season'],
  ])('refuses %s with 400 and names the input', async (_case, body, code, input) => {
    const answered = await predict(body);
    expect(answered).toMatchObject({ status: 400, body: { code, input } });
    expect(answered.body['error']).toContain(JSON.stringify(input));
  });

  it.each([
    ['NaN', '{"temperature": NaN, "season": "summer"}'],
    ['Infinity', '{"temperature": Infinity, "season": "summer"}'],
    ['half a document', '{"temperature": 1'],
    ['nothing', ''],
    ['an array', '[1, 2]'],
    ['null', 'null'],
    ['a text', '"summer"'],
    ['no rows', '{"rows": []}'],
    ['rows that are no objects', '{"rows": [1]}'],
  ])('refuses %s as the body with 400', async (_case, body) => {
    expect(await predict(body)).toMatchObject({ status: 400, body: { code: 'SERVE_BODY_INVALID' } });
  });

  it('names the row that is wrong and predicts none of them', async () => {
    const before = await predictionsTotal();
    const good = { temperature: 1, season: 'summer' };
    expect(await predict({ rows: [good, good, { ...good, temperature: 'x' }] })).toMatchObject({
      status: 400,
      body: { error: 'input "temperature", row 2: got the string "x", expected a number or null' },
    });
    expect(await predictionsTotal()).toBe(before);
  });

  it('answers 404 for an unknown model and an unknown address', async () => {
    expect(await site.post(`${url}/models/nobody/predict`, {})).toMatchObject({
      status: 404,
      body: { code: 'SERVE_MODEL_UNKNOWN', error: 'model "nobody" is not served here, expected one of: "demand"' },
    });
    expect(await site.post(`${url}/predict`, {})).toMatchObject({ status: 404, body: { code: 'SERVE_ROUTE_UNKNOWN' } });
  });

  it('answers for an address that cannot be decoded, and for a very long name, as for any other', async () => {
    expect(await site.post(`${url}/models/%zz/predict`, {})).toEqual({
      status: 400,
      body: { error: expect.stringContaining('"/models/%zz/predict"') as string, code: 'SERVE_URL_INVALID' },
    });
    for (const length of [120, 12_000]) {
      expect(await site.post(`${url}/models/${'a'.repeat(length)}/predict`, {})).toMatchObject({
        status: 404,
        body: {
          code: 'SERVE_MODEL_UNKNOWN',
          error: expect.stringMatching(/^model "a{59}…" is not served here/) as string,
        },
      });
    }
  });

  it('answers 415 for another content type', async () => {
    const response = await fetch(`${url}/models/demand/predict`, { method: 'POST', body: 'temperature=1' });
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ code: 'SERVE_MEDIA_TYPE' });
  });

  it('refuses a body of 100 MB by its announced length, before any of it is sent', async () => {
    const answered = await rawPost(['Content-Length: 104857600'], '');
    expect(answered).toContain(' 413 ');
    expect(answered).toContain('SERVE_BODY_TOO_LARGE');
  });

  it('stops reading a body without a length at the bound', async () => {
    const chunk = ' '.repeat(65_536);
    const body = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(40);
    expect(await rawPost(['Transfer-Encoding: chunked'], body)).toContain(' 413 ');
  });
});

/** A request by hand: the head, then the body without an end; gives what the server says before it hangs up. */
function rawPost(headers: readonly string[], body: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => {
      received += data;
      if (received.includes('}')) socket.destroy();
    });
    socket.on('error', (error) => (received === '' ? reject(error) : resolve(received)));
    socket.on('close', () => resolve(received));
    socket.write(
      [
        'POST /models/demand/predict HTTP/1.1',
        'Host: localhost',
        'Content-Type: application/json',
        ...headers,
        '',
        body,
      ].join('\r\n'),
    );
  });
}

describe('the prediction log', () => {
  it('holds what was asked and answered, by id', async () => {
    const { body } = await predict({
      rows: [
        { temperature: 0.1, season: 'monsoon' },
        { temperature: null, season: 'winter' },
      ],
    });
    const ids = body['prediction_ids'] as string[];
    const rows = await eventually(
      () =>
        site.test.database.query<Record<string, unknown>>(
          `SELECT prediction_id, env, project, model, version, inputs, prediction, warnings FROM plumbline.predictions
           WHERE prediction_id = ANY($1::uuid[]) ORDER BY prediction DESC`,
          [ids],
        ),
      (found) => found.length === 2,
    );
    const common = { env: 'dev', project: 'bikes', model: 'demand', version: 1 };
    expect(rows).toEqual([
      {
        ...common,
        prediction_id: ids[1],
        inputs: { temperature: null, season: 'winter' },
        prediction: 205,
        warnings: null,
      },
      {
        ...common,
        prediction_id: ids[0],
        inputs: { temperature: 0.1, season: 'monsoon' },
        prediction: 6,
        warnings: [expect.objectContaining({ input: 'season' })],
      },
    ]);
  });
});

describe('model pages', () => {
  it('give JSON, and HTML with every text escaped to a browser', async () => {
    const hostile = '<script>alert(1)</script>';
    await site.deploy('demand-v1.onnx', {
      model: 'demand',
      modelCard: `# demand\n\n${hostile}`,
      seed: 99,
      assumptions: [hostile],
    });
    const json = await eventually(
      async () => (await (await fetch(`${url}/models/demand`)).json()) as Record<string, unknown>,
      (page) => page['version'] === 2,
    );
    expect(json).toMatchObject({
      model: 'demand',
      inputs: demandSignature.inputs,
      metrics: { rmse: 94.6 },
      model_card: `# demand v2\n\n${hostile}`,
    });
    const page = await fetch(`${url}/models/demand`, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).toContain('text/html');
    const text = await page.text();
    expect(text).not.toContain('<script');
    expect(text).toContain('<pre># demand v2\n\n&lt;script&gt;');
    expect(await (await fetch(`${url}/models`)).json()).toEqual({
      models: [{ name: 'demand', version: 2, predict: '/models/demand/predict' }],
    });
  });

  it('counts requests and predictions in Prometheus format', async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toMatch(/^plumbline_predictions_total [1-9]\d*$/m);
    expect(text).toMatch(/^plumbline_model_version\{model="demand"\} 2$/m);
  });
});
