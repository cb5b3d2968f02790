import { SPLIT_COLUMN, type FeatureColumn, type Task, type TrainingSet } from '../../src/model/training-set.js';
import type { Column, ColumnTable } from '../../src/table/column-table.js';

/** A training set of literal columns; `split` says `train` or `test` for each row. */
export function literalTrainingSet(options: {
  readonly task: Task;
  readonly split: readonly string[];
  readonly columns: Readonly<Record<string, Column>>;
  readonly target: string;
  readonly features: readonly string[];
  readonly entity?: readonly string[];
  readonly labelTime?: string;
  readonly horizonMs?: number;
}): { trainingSet: TrainingSet; table: ColumnTable } {
  const columns = new Map<string, Column>(Object.entries(options.columns));
  columns.set(SPLIT_COLUMN, { kind: 'text', values: options.split });
  const count = (part: string): number => options.split.filter((one) => one === part).length;
  const trainingSet: TrainingSet = {
    artifact: { sha256: 'ab'.repeat(32), bytes: 1 },
    rows: options.split.length,
    trainRows: count('train'),
    testRows: count('test'),
    task: options.task,
    entity: options.entity ?? [],
    labelTime: options.labelTime ?? 'at',
    target: options.target,
    horizonMs: options.horizonMs ?? 0,
    testFrom: '2012-10-01',
    features: options.features.map((name): FeatureColumn => {
      const kind = columns.get(name)?.kind === 'text' ? 'text' : 'number';
      return { name, view: 'literal', kind, nullShare: 0 };
    }),
    assumptions: [],
    inputs: {},
  };
  return { trainingSet, table: { rowCount: options.split.length, columns } };
}

export function numbers(...values: number[]): Column {
  return { kind: 'number', values: Float64Array.from(values) };
}

export function times(...values: number[]): Column {
  return { kind: 'time', values: Float64Array.from(values) };
}

export function texts(...values: (string | null)[]): Column {
  return { kind: 'text', values };
}
