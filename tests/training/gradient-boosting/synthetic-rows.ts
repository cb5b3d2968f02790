import type { FloatMatrix } from '../../../src/training/gradient-boosting/boosting-model.js';
import { uniform } from '../../../src/training/gradient-boosting/row-hash.js';

/** Rows with missing and infinite values, a constant, frequent values and a target that depends on some of them. */
export function syntheticRows(rows: number, seed: number): { X: FloatMatrix; y: Float64Array; label: Float64Array } {
  const random = (row: number, column: number): number => uniform(seed * 1000 + column, row);
  const make = (value: (row: number) => number): Float32Array =>
    Float32Array.from({ length: rows }, (_, row) => value(row));
  const columns = [
    make((row) => random(row, 0) * 10 - 5),
    make((row) => (random(row, 1) < 0.2 ? NaN : random(row, 2))),
    make((row) => Math.floor(random(row, 3) * 4)),
    make(() => 7),
    make((row) => (random(row, 4) < 0.01 ? Infinity : random(row, 4) < 0.02 ? -Infinity : random(row, 5) * 1e-30)),
    make((row) => (random(row, 6) < 0.9 ? 0 : random(row, 7))),
  ];
  const signal = (row: number): number =>
    Math.sin(columns[0]![row]!) * 3 +
    (Number.isNaN(columns[1]![row]!) ? 2 : columns[1]![row]!) +
    (columns[2]![row] === 3 ? 4 : 0) +
    random(row, 8);
  const y = Float64Array.from({ length: rows }, (_, row) => signal(row));
  return { X: { rows, columns }, y, label: y.map((value) => Number(value > 2.5)) };
}
