import { plural } from '../model/plural.js';
import { listed, RequestError, shown } from './request-error.js';
import { checkCell, unknownCategories, type Cell, type InputRule, type RequestInputs } from './request-inputs.js';

/** An Open Inference Protocol request: its own id, if it has one, and the checked inputs. */
export interface TensorRequest {
  readonly id?: string;
  readonly inputs: RequestInputs;
}

interface Tensor {
  readonly name: string;
  readonly shape: unknown;
  readonly datatype: unknown;
  readonly data: unknown;
}

/**
 * An inference request of the Open Inference Protocol v2: one tensor of shape [rows, 1] for each input of the model, its data
 * flat or nested.
 *
 * @param outputs names the model can answer with
 * @throws RequestError 400 naming the input
 */
export function readTensors(rules: readonly InputRule[], outputs: readonly string[], body: unknown): TensorRequest {
  const request = asObject(body, 'the body', '{"inputs": [{name, shape, datatype, data}]}');
  const id = readId(request['id']);
  checkOutputs(request['outputs'], outputs);
  const tensors = readInputs(request['inputs'], rules);
  let rows = -1;
  const cells = rules.map((rule) => {
    const tensor = tensors.get(rule.name);
    if (tensor === undefined) {
      throw new RequestError(
        400,
        'SERVE_INPUT_MISSING',
        `input ${JSON.stringify(rule.name)}: got nothing, expected a tensor of ${rule.datatype} [rows, 1]`,
        rule.name,
      );
    }
    const read = readTensor(rule, tensor, rows);
    rows = read.length;
    return read;
  });
  return { ...(id === undefined ? {} : { id }), inputs: { rows, cells, warnings: unknownCategories(rules, cells) } };
}

function readId(id: unknown): string | undefined {
  if (id === undefined || typeof id === 'string') return id;
  throw new RequestError(400, 'SERVE_BODY_INVALID', `id: got ${shown(id)}, expected a string`);
}

function checkOutputs(requested: unknown, outputs: readonly string[]): void {
  if (requested === undefined) return;
  if (!Array.isArray(requested)) {
    throw new RequestError(400, 'SERVE_BODY_INVALID', `outputs: got ${shown(requested)}, expected an array`);
  }
  for (const entry of requested) {
    const { name } = asObject(entry, 'an entry of outputs', '{name}');
    if (typeof name === 'string' && outputs.includes(name)) continue;
    throw new RequestError(400, 'SERVE_OUTPUT_UNKNOWN', `output ${shown(name)}: expected one of ${listed(outputs)}`);
  }
}

function readInputs(inputs: unknown, rules: readonly InputRule[]): Map<string, Tensor> {
  if (!Array.isArray(inputs)) {
    throw new RequestError(400, 'SERVE_BODY_INVALID', `inputs: got ${shown(inputs)}, expected an array of tensors`);
  }
  const tensors = new Map<string, Tensor>();
  for (const entry of inputs) {
    const tensor = asObject(entry, 'an entry of inputs', '{name, shape, datatype, data}');
    const { name } = tensor;
    if (typeof name !== 'string' || !rules.some((rule) => rule.name === name)) {
      throw new RequestError(
        400,
        'SERVE_INPUT_UNKNOWN',
        `input name: got ${shown(name)}, expected one of ${listed(rules.map((rule) => rule.name))}`,
        typeof name === 'string' ? name : undefined,
      );
    }
    if (tensors.has(name)) {
      throw new RequestError(
        400,
        'SERVE_INPUT_UNKNOWN',
        `input ${JSON.stringify(name)}: got it twice, expected it once`,
        name,
      );
    }
    tensors.set(name, { name, shape: tensor['shape'], datatype: tensor['datatype'], data: tensor['data'] });
  }
  return tensors;
}

function readTensor(rule: InputRule, tensor: Tensor, expectedRows: number): Cell[] {
  const name = JSON.stringify(rule.name);
  if (tensor.datatype !== rule.datatype) {
    throw new RequestError(
      400,
      'SERVE_INPUT_DATATYPE',
      `input ${name}, datatype: got ${shown(tensor.datatype)}, expected "${rule.datatype}"`,
      rule.name,
    );
  }
  const { shape, data } = tensor;
  const rows: unknown = Array.isArray(shape) && shape.length === 2 && shape[1] === 1 ? shape[0] : undefined;
  if (typeof rows !== 'number' || !Number.isSafeInteger(rows) || rows < 1) {
    throw wrongShape(
      rule,
      'shape',
      Array.isArray(shape) ? JSON.stringify(shape).slice(0, 60) : shown(shape),
      '[rows, 1] with rows ≥ 1',
    );
  }
  if (expectedRows !== -1 && rows !== expectedRows) {
    throw wrongShape(rule, 'shape', `[${rows}, 1]`, `[${expectedRows}, 1] as in the inputs before it`);
  }
  if (!Array.isArray(data)) throw wrongShape(rule, 'data', shown(data), `an array of ${rows}`);
  if (data.length !== rows)
    throw wrongShape(rule, 'data', `${data.length} ${plural(data.length, 'value')}`, `${rows} as the shape says`);
  const nested = Array.isArray(data[0]);
  return data.map((entry: unknown, row) => {
    if (!nested) return checkCell(rule, entry, row);
    if (!Array.isArray(entry) || entry.length !== 1)
      throw wrongShape(rule, `data, row ${row}`, shown(entry), 'an array of 1');
    return checkCell(rule, entry[0], row);
  });
}

function wrongShape(rule: InputRule, part: string, received: string, expected: string): RequestError {
  return new RequestError(
    400,
    'SERVE_INPUT_SHAPE',
    `input ${JSON.stringify(rule.name)}, ${part}: got ${received}, expected ${expected}`,
    rule.name,
  );
}

function asObject(value: unknown, what: string, form: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new RequestError(400, 'SERVE_BODY_INVALID', `got ${shown(value)} as ${what}, expected ${form}`);
}
