import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildTrainingSet, type TrainingSetOptions } from '../../src/features/build-training-set.js';
import type { ArtifactStore } from '../../src/model/artifact.js';
import type { FeatureViewFile, LabelsFile } from '../../src/model/project.js';
import { literal } from '../../src/model/sql-identifier.js';
import type { TrainingSet } from '../../src/model/training-set.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import type { OpenDatabase } from '../../src/storage/database.js';
import type { ColumnTable } from '../../src/table/column-table.js';
import { readParquet } from '../../src/table/parquet.js';
import { createTestDatabase } from '../setup/database.js';

export interface Fixture {
  readonly database: OpenDatabase;
  readonly store: ArtifactStore;
  build(options: BuildOptions): Promise<TrainingSet>;
  /** The columns of a training set as plain values, `null` when missing. */
  rows(set: TrainingSet): Promise<Record<string, unknown>[]>;
  table(set: TrainingSet): Promise<ColumnTable>;
  drop(): Promise<void>;
}

export type BuildOptions = Partial<TrainingSetOptions> & Pick<TrainingSetOptions, 'labels' | 'views'>;

export async function openFixture(): Promise<Fixture> {
  const test = await createTestDatabase();
  const { database } = test;
  const root = await mkdtemp(join(tmpdir(), 'plumbline-features-'));
  const store = openDirectoryStore(root);
  const table = async (set: TrainingSet) => readParquet(await store.localPath(set.artifact.sha256));
  return {
    database,
    store,
    table,
    build: (options) =>
      buildTrainingSet({
        database,
        store,
        features: options.views.map(({ name }) => name),
        testFrom: '2024-03-01',
        refs: new Map(),
        sources: new Map(),
        rewrittenTables: new Set(),
        ...options,
      }),
    async rows(set) {
      const { rowCount, columns } = await table(set);
      return Array.from({ length: rowCount }, (_row, row) =>
        Object.fromEntries([...columns].map(([name, { values }]) => [name, plain(values[row])])),
      );
    },
    async drop() {
      await test.drop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

export function labelsOf(sql: string, settings: Partial<LabelsFile> = {}): LabelsFile {
  return {
    name: 'labels',
    file: 'labels.sql',
    sql,
    entity: ['entity'],
    labelTime: 'label_time',
    target: 'target',
    horizonMs: 0,
    ...settings,
  };
}

export function viewOf(name: string, sql: string, settings: Partial<FeatureViewFile> = {}): FeatureViewFile {
  return { name, file: `features/${name}.sql`, sql, entity: ['entity'], eventTime: 'event_time', ...settings };
}

/** `(VALUES …) AS v(columns)` with every value as a text literal and a cast. */
export function valuesOf(
  columns: Readonly<Record<string, string>>,
  rows: readonly (readonly (string | number | boolean | null)[])[],
): string {
  const types = Object.values(columns);
  const lines = rows.map(
    (row) =>
      `(${row.map((value, index) => `${value === null ? 'NULL' : literal(String(value))}::${types[index]}`).join(', ')})`,
  );
  return `(VALUES ${lines.join(',\n')}) AS v(${Object.keys(columns).join(', ')})`;
}

/** Forty days from 2024-02-01: 29 train rows and 11 test rows, target 1 … 40. */
export const FORTY_DAYS = `SELECT 'a' AS entity, timestamp '2024-01-31' + day * interval '1 day' AS label_time, day AS target
FROM generate_series(1, 40) AS day`;

/** Milliseconds of a timestamp in UTC. */
export const at = (text: string): number => Date.parse(`${text.replace(' ', 'T')}Z`);

function plain(value: unknown): unknown {
  return Number.isNaN(value) || value === undefined ? null : value;
}
