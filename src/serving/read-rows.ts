import { listed, quoted, RequestError, shown } from './request-error.js';
import { checkCell, unknownCategories, type Cell, type InputRule, type RequestInputs } from './request-inputs.js';

/**
 * A request by column name: `{"inputs": {…}}`, `{…}` (one row) or `{"rows": [{…}, …]}`. Every input of the model is named in
 * every row, and nothing else.
 *
 * @throws RequestError 400 `SERVE_BODY_INVALID`, `SERVE_INPUT_MISSING`, `SERVE_INPUT_UNKNOWN`, `SERVE_INPUT_INVALID`
 */
export function readRows(rules: readonly InputRule[], body: unknown): RequestInputs {
  const rows = rowsOf(body);
  const cells: Cell[][] = rules.map(() => new Array<Cell>(rows.length));
  rows.forEach((row, position) => {
    if (!isObject(row)) {
      throw new RequestError(
        400,
        'SERVE_BODY_INVALID',
        `row ${position}: got ${shown(row)}, expected an object of ${listed(rules.map(({ name }) => name))}`,
      );
    }
    readRow(rules, row, position, cells);
  });
  return { rows: rows.length, cells, warnings: unknownCategories(rules, cells) };
}

function rowsOf(body: unknown): readonly unknown[] {
  if (!isObject(body)) {
    throw new RequestError(
      400,
      'SERVE_BODY_INVALID',
      `got ${shown(body)} as the body, expected {"inputs": {column: value}} or {"rows": [{column: value}]}`,
    );
  }
  const keys = Object.keys(body);
  const value: unknown = keys.length === 1 ? body[keys[0]!] : undefined;
  if (keys[0] === 'inputs' && isObject(value)) return [value];
  if (keys[0] === 'rows' && Array.isArray(value)) {
    if (value.length > 0) return value;
    throw new RequestError(400, 'SERVE_BODY_INVALID', 'got no rows, expected at least one');
  }
  return [body];
}

function readRow(
  rules: readonly InputRule[],
  row: Record<string, unknown>,
  position: number,
  cells: readonly Cell[][],
): void {
  rules.forEach((rule, index) => {
    // hasOwn: a column may be called `__proto__` or `constructor`.
    if (!Object.hasOwn(row, rule.name)) {
      throw new RequestError(
        400,
        'SERVE_INPUT_MISSING',
        `input ${JSON.stringify(rule.name)}, row ${position}: got nothing, expected ${rule.datatype === 'FP32' ? 'a number' : 'a string'}${rule.nullable ? ' or null' : ''}`,
        rule.name,
      );
    }
    cells[index]![position] = checkCell(rule, row[rule.name], position);
  });
  const keys = Object.keys(row);
  if (keys.length === rules.length) return;
  const known = new Set(rules.map(({ name }) => name));
  const unknown = keys.find((key) => !known.has(key))!;
  throw new RequestError(
    400,
    'SERVE_INPUT_UNKNOWN',
    `input ${quoted(unknown)}, row ${position}: the model has no such input, expected only ${listed(known)}`,
    unknown,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
