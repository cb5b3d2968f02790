import { TerminalError } from '../errors.js';
import type { ModelSignature } from '../model/signature.js';
import type { ColumnTable } from '../table/column-table.js';
import { openOnnxModel, type InputColumn } from './onnx-model.js';
import { tableToColumns } from './table-to-columns.js';

export interface ParityReport {
  readonly passed: true;
  /** Held-out rows compared, each alone and within a batch. */
  readonly rows: number;
  /** Largest |Δ| in units of the prediction. */
  readonly maxDelta: number;
  /** Largest |Δ| / max(|y|, sd of the predictions); at most `tolerance`. */
  readonly maxRelativeDelta: number;
  readonly tolerance: number;
  readonly batchSizes: readonly number[];
  readonly runtime: string;
}

/** float32 keeps 7 digits; a sum of a few hundred terms loses up to two of them. */
const TOLERANCE = 1e-5;
const BATCH = 1_024;

/**
 * Proves that serving answers what the trainer measured: |Δ| ≤ 1e-5 × max(|y|, sd of the predictions) for every row,
 * alone and in batches of 1,024, with serving's own runtime and thread setting.
 *
 * @param table the held-out rows, as the trainer read them
 * @param predictions the trainer's own predictions of these rows, in their order
 * @throws TerminalError `DEPLOY_PARITY` naming the worst row, or one that serving would refuse; `DEPLOY_ONNX_*` when the graph cannot be loaded
 */
export async function checkParity(options: {
  readonly onnx: Uint8Array;
  readonly signature: ModelSignature;
  readonly table: ColumnTable;
  readonly predictions: Float64Array;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly rows: number; readonly total: number }) => void;
}): Promise<ParityReport> {
  const { table, predictions, signature } = options;
  const rows = table.rowCount;
  if (rows === 0 || predictions.length !== rows) {
    throw new TerminalError(
      'DEPLOY_PARITY',
      `Comparing predictions failed: got ${predictions.length} predictions for ${rows} held-out rows, expected one for each of at least one row.`,
      { details: { rows, predictions: predictions.length } },
    );
  }
  refuseUnserved(signature, table);
  const scale = standardDeviation(predictions);
  const worst: Worst = { relative: -1, delta: 0, row: 0, served: NaN, batch: 1 };
  const model = await openOnnxModel(options);
  try {
    const columns = tableToColumns(signature, table);
    for (const batch of [1, BATCH]) {
      for (let from = 0; from < rows; from += batch) {
        const size = Math.min(batch, rows - from);
        const served = await model.predict(slice(columns, from, from + size), size);
        compareBatch(served, predictions, from, scale, batch, worst);
        if (from % BATCH === 0) {
          options.signal?.throwIfAborted();
          options.onProgress?.({ rows: from + size, total: rows });
        }
      }
    }
  } finally {
    await model.close();
  }
  if (!(worst.relative <= TOLERANCE)) throw parityError(worst, predictions[worst.row]!, rows, scale);
  return {
    passed: true,
    rows,
    maxDelta: worst.delta,
    maxRelativeDelta: worst.relative,
    tolerance: TOLERANCE,
    batchSizes: [1, BATCH],
    runtime: 'onnxruntime-node, CPU, 1 thread',
  };
}

/** The graph computes something for a missing value anywhere; serving takes it only where the signature says so. */
function refuseUnserved(signature: ModelSignature, table: ColumnTable): void {
  for (const { name, nullable } of signature.inputs) {
    const column = table.columns.get(name);
    if (nullable || column === undefined) continue;
    const row = column.kind === 'text' ? column.values.indexOf(null) : column.values.findIndex(Number.isNaN);
    if (row === -1) continue;
    throw new TerminalError(
      'DEPLOY_PARITY',
      `Comparing serving with the trainer on ${table.rowCount} held-out rows failed: row ${row} (counted from 0) has no ${name}, ` +
        'which serving would refuse; expected an input that may be missing.',
      { details: { row, input: name }, next: 'Report the training set: the signature does not fit the rows.' },
    );
  }
}

interface Worst {
  relative: number;
  delta: number;
  row: number;
  served: number;
  batch: number;
}

function slice(columns: readonly InputColumn[], from: number, to: number): InputColumn[] {
  return columns.map((column) => (column instanceof Float32Array ? column.subarray(from, to) : column.slice(from, to)));
}

function compareBatch(
  served: Float32Array,
  predictions: Float64Array,
  from: number,
  scale: number,
  batch: number,
  worst: Worst,
): void {
  for (let index = 0; index < served.length; index++) {
    const row = from + index;
    const own = predictions[row]!;
    const answer = served[index]!;
    const delta = Math.abs(answer - own);
    const base = Math.max(Math.abs(own), scale);
    // NaN on either side is never parity; equal values are, even when everything is 0.
    const relative = delta === 0 ? 0 : Number.isFinite(delta) ? delta / base : Infinity;
    if (relative > worst.relative) Object.assign(worst, { relative, row, served: answer, batch });
    if (!(delta <= worst.delta)) worst.delta = delta;
  }
}

/** Population standard deviation; 0 for a constant, so that only |y| counts. */
function standardDeviation(values: Float64Array): number {
  let mean = 0;
  for (const value of values) mean += value / values.length;
  let sum = 0;
  for (const value of values) sum += (value - mean) ** 2;
  return Math.sqrt(sum / values.length);
}

function parityError(worst: Worst, own: number, rows: number, scale: number): TerminalError {
  const allowed = TOLERANCE * Math.max(Math.abs(own), scale);
  return new TerminalError(
    'DEPLOY_PARITY',
    `Comparing serving with the trainer on ${rows} held-out rows failed: row ${worst.row} (counted from 0, batches of ${worst.batch}) ` +
      `is served as ${worst.served}, the trainer predicted ${own}; expected a difference of at most ${allowed.toExponential(2)}.`,
    {
      details: { row: worst.row, served: String(worst.served), predicted: String(own), allowed, batch: worst.batch },
      next: 'Report the training set and parameters: training and the exported graph compute different things.',
    },
  );
}
