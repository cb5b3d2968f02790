import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createServingSite, type ServingSite } from './start-server.js';

// The protocol's own OpenAPI file; its schemas are JSON Schema but for `x-examples`.
interface OpenApi {
  readonly paths: Record<string, Record<string, unknown>>;
  readonly components: { readonly schemas: Record<string, object> };
}
const FILE = new URL('../fixtures/open-inference-protocol/open_inference_rest.yaml', import.meta.url);
const openApi = parse(readFileSync(FILE, 'utf8')) as OpenApi;
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ $id: 'openapi', components: openApi.components });
const schema = (name: string): ValidateFunction => ajv.compile({ $ref: `openapi#/components/schemas/${name}` });

function conforms(name: string, value: unknown): void {
  const validate = schema(name);
  expect(validate(value), JSON.stringify(validate.errors)).toBe(true);
}

let site: ServingSite;
let url: string;
beforeAll(async () => {
  site = await createServingSite();
  await site.deploy('demand-v1.onnx');
  ({ url } = await site.serve());
});
afterAll(() => site.end());

const get = async (path: string) => {
  const response = await fetch(url + path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const tensors = (temperature: unknown[], season: unknown[], rows = temperature.length) => [
  { name: 'temperature', shape: [rows, 1], datatype: 'FP32', data: temperature },
  { name: 'season', shape: [rows, 1], datatype: 'BYTES', data: season },
];

describe('the Open Inference Protocol', () => {
  it('has every address of the OpenAPI file', async () => {
    for (const [path, operations] of Object.entries(openApi.paths)) {
      const real = path.replace('${MODEL_NAME}', 'demand').replace('${MODEL_VERSION}', '1');
      if ('get' in operations) expect([path, (await get(real)).status]).toEqual([path, 200]);
      if ('post' in operations) {
        const answered = await site.post(url + real, { inputs: tensors([1], ['summer']) });
        expect([path, answered.status]).toEqual([path, 200]);
      }
    }
  });

  it('answers metadata as the schemas say, with and without a version', async () => {
    for (const path of ['/v2', '/v2/']) {
      const server = await get(path);
      conforms('metadata_server_response', server.body);
      expect(server.body).toMatchObject({ name: 'plumbline', version: '0.1.0' });
    }
    for (const path of ['/v2/models/demand', '/v2/models/demand/versions/1']) {
      const model = await get(path);
      conforms('metadata_model_response', model.body);
      expect(model.body).toMatchObject({
        versions: ['1'],
        inputs: [
          { name: 'temperature', datatype: 'FP32', shape: [-1, 1] },
          { name: 'season', datatype: 'BYTES', shape: [-1, 1] },
        ],
        outputs: [{ name: 'prediction', datatype: 'FP32', shape: [-1, 1] }],
      });
      expect((await get(`${path}/ready`)).body).toMatchObject({ ready: true });
    }
  });

  it('infers from flat and nested data and echoes the id', async () => {
    const flat = { id: '42', inputs: tensors([1, 20], ['summer', 'winter']), outputs: [{ name: 'prediction' }] };
    const nested = { inputs: tensors([[1], [20]], [['summer'], ['winter']]) };
    conforms('inference_request', flat);
    for (const path of ['/v2/models/demand/infer', '/v2/models/demand/versions/1/infer']) {
      const answered = await site.post(url + path, flat);
      conforms('inference_response', answered.body);
      expect(answered.body).toMatchObject({
        model_name: 'demand',
        model_version: '1',
        id: '42',
        outputs: [{ name: 'prediction', datatype: 'FP32', shape: [2, 1], data: [115, 205] }],
      });
      expect((await site.post(url + path, nested)).body['outputs']).toEqual(answered.body['outputs']);
    }
  });

  it('answers ids and warnings as JSON text: parameters of the protocol are scalar', async () => {
    const { body } = await site.post(`${url}/v2/models/demand/infer`, {
      inputs: tensors([1, 1], ['summer', 'monsoon']),
    });
    conforms('inference_response', body);
    const parameters = body['parameters'] as Record<string, string>;
    expect(Object.values(parameters).map((value) => typeof value)).toEqual(['string', 'string']);
    expect(JSON.parse(parameters['prediction_ids']!)).toEqual([expect.any(String), expect.any(String)]);
    expect(JSON.parse(parameters['warnings']!)).toMatchObject([{ row: 1, input: 'season' }]);
  });

  it('takes null for a missing value, which the protocol itself has no word for', async () => {
    const answered = await site.post(`${url}/v2/models/demand/infer`, { inputs: tensors([null], ['winter']) });
    expect(answered.body['outputs']).toMatchObject([{ data: [205] }]);
  });

  it.each([
    ['no inputs', {}, 'SERVE_BODY_INVALID', 'inputs: got nothing'],
    ['a missing input', { inputs: tensors([1], ['summer']).slice(0, 1) }, 'SERVE_INPUT_MISSING', '"season"'],
    [
      'an unknown input',
      { inputs: [...tensors([1], ['summer']), { name: 'humidity' }] },
      'SERVE_INPUT_UNKNOWN',
      '"humidity"',
    ],
    [
      'an input twice',
      { inputs: [...tensors([1], ['summer']), ...tensors([1], ['summer'])] },
      'SERVE_INPUT_UNKNOWN',
      'twice',
    ],
    [
      'another datatype',
      { inputs: [{ ...tensors([1], ['a'])[0], datatype: 'INT64' }, tensors([1], ['a'])[1]] },
      'SERVE_INPUT_DATATYPE',
      '"FP32"',
    ],
    [
      'another width',
      { inputs: [{ ...tensors([1], ['a'])[0], shape: [1, 2], data: [1, 2] }, tensors([1], ['a'])[1]] },
      'SERVE_INPUT_SHAPE',
      '[1,2]',
    ],
    [
      'a flat shape',
      { inputs: [{ ...tensors([1], ['a'])[0], shape: [1] }, tensors([1], ['a'])[1]] },
      'SERVE_INPUT_SHAPE',
      '[rows, 1]',
    ],
    ['no rows', { inputs: tensors([], []) }, 'SERVE_INPUT_SHAPE', 'rows ≥ 1'],
    ['fewer values than the shape says', { inputs: tensors([1], ['a'], 2) }, 'SERVE_INPUT_SHAPE', '1 value'],
    [
      'inputs of different lengths',
      { inputs: [tensors([1, 2], [])[0], tensors([1], ['a'])[1]] },
      'SERVE_INPUT_SHAPE',
      '[2, 1]',
    ],
    ['a text for a number', { inputs: tensors(['0.1'], ['a']) }, 'SERVE_INPUT_INVALID', 'the string "0.1"'],
    ['true for a number', { inputs: tensors([true], ['a']) }, 'SERVE_INPUT_INVALID', 'the boolean true'],
    ['a number for a text', { inputs: tensors([1], [3]) }, 'SERVE_INPUT_INVALID', '"season", row 0: got 3'],
    [
      'null where none was in training',
      { inputs: tensors([1], [null]) },
      'SERVE_INPUT_INVALID',
      '"season", row 0: got null',
    ],
    [
      'an unknown output',
      { inputs: tensors([1], ['a']), outputs: [{ name: 'score' }] },
      'SERVE_OUTPUT_UNKNOWN',
      '"score"',
    ],
    ['a number as id', { id: 42, inputs: tensors([1], ['a']) }, 'SERVE_BODY_INVALID', 'id: got 42'],
  ])('refuses %s with 400 and says what was expected', async (_case, body, code, part) => {
    const answered = await site.post(`${url}/v2/models/demand/infer`, body);
    conforms('inference_error_response', answered.body);
    expect(answered).toMatchObject({ status: 400, body: { code } });
    expect(answered.body['error']).toContain(part);
  });

  it('answers 404 for a model or version that does not serve', async () => {
    for (const path of [
      '/v2/models/nobody',
      '/v2/models/nobody/ready',
      '/v2/models/demand/versions/2',
      '/v2/models/demand/versions/01',
    ]) {
      const answered = await get(path);
      conforms('metadata_model_error_response', answered.body);
      expect(answered).toMatchObject({ status: 404, body: { code: 'SERVE_MODEL_UNKNOWN' } });
    }
  });
});
