import type { InputColumn } from '../deployment/onnx-model.js';
import type { ModelInput, ModelSignature } from '../model/signature.js';
import { RequestError, shown } from './request-error.js';

export type Cell = number | string | null;

/** Something to know about an answer that is given all the same. */
export interface PredictionWarning {
  /** Row of the request, counted from 0. */
  readonly row: number;
  readonly input: string;
  readonly message: string;
}

/** A checked request: one array of `rows` cells for each of the signature's inputs, in its order. */
export interface RequestInputs {
  readonly rows: number;
  readonly cells: readonly (readonly Cell[])[];
  readonly warnings: readonly PredictionWarning[];
}

/** What checking a cell needs, made once for a model version. */
export interface InputRule {
  readonly name: string;
  readonly datatype: ModelInput['datatype'];
  readonly nullable: boolean;
  readonly categories?: ReadonlySet<string>;
}

export function inputRules(signature: ModelSignature): InputRule[] {
  return signature.inputs.map(({ name, datatype, nullable, categories }) => ({
    name,
    datatype,
    nullable,
    ...(categories === undefined ? {} : { categories: new Set(categories) }),
  }));
}

/** Largest float32; a larger number would become infinite in the graph. */
const MAX_FLOAT32 = 3.4028234663852886e38;

/**
 * One value as the model takes it, unconverted.
 *
 * @throws RequestError 400 `SERVE_INPUT_INVALID` naming the input, what was received and what was expected
 */
export function checkCell(rule: InputRule, value: unknown, row: number): Cell {
  if (value === null) {
    if (rule.nullable) return null;
    throw invalid(rule, value, row, 'the model knows no missing values there');
  }
  if (rule.datatype === 'FP32') {
    if (typeof value !== 'number') throw invalid(rule, value, row);
    if (!(Math.abs(value) <= MAX_FLOAT32)) throw invalid(rule, value, row, 'it must be finite in 32 bits');
    return value;
  }
  if (typeof value !== 'string') throw invalid(rule, value, row);
  // PostgreSQL's jsonb, where the prediction is logged, holds neither.
  if (value.includes('\0') || /\p{Surrogate}/u.test(value)) {
    throw invalid(rule, value, row, 'NUL characters and lone surrogates are no text');
  }
  return value;
}

function invalid(rule: InputRule, value: unknown, row: number, reason?: string): RequestError {
  const type = rule.datatype === 'FP32' ? 'a number' : 'a string';
  const expected = rule.nullable ? `${type} or null` : type;
  const because = reason === undefined ? '' : ` (${reason})`;
  return new RequestError(
    400,
    'SERVE_INPUT_INVALID',
    `input ${JSON.stringify(rule.name)}, row ${row}: got ${shown(value)}, expected ${expected}${because}`,
    rule.name,
  );
}

/** The graph's input: missing numbers are NaN, missing text is ''. */
export function toColumn(rule: InputRule, cells: readonly Cell[]): InputColumn {
  return rule.datatype === 'FP32'
    ? Float32Array.from(cells, (cell) => (cell === null ? NaN : (cell as number)))
    : cells.map((cell) => (cell === null ? '' : (cell as string)));
}

/**
 * Categories that the model does not have: training saw none such, or too few beside the `max_categories` it kept. The graph
 * treats them as missing; the answer says so.
 */
export function unknownCategories(
  rules: readonly InputRule[],
  cells: readonly (readonly Cell[])[],
): PredictionWarning[] {
  const warnings: PredictionWarning[] = [];
  rules.forEach(({ name, categories }, index) => {
    if (categories === undefined) return;
    cells[index]!.forEach((cell, row) => {
      if (typeof cell !== 'string' || categories.has(cell)) return;
      const message = `category ${shown(cell)} is none of those the model knows: treated as missing`;
      warnings.push({ row, input: name, message });
    });
  });
  return warnings;
}
