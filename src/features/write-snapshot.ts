import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { ArtifactRef, ArtifactStore } from '../model/artifact.js';
import type { Session } from '../model/database.js';
import { identifier, literal } from '../model/sql-identifier.js';
import { SPLIT_COLUMN } from '../model/training-set.js';
import { JOINED } from './point-in-time-join.js';
import type { StagedEntity, StagedLabels } from './stage-labels.js';
import type { StagedView } from './stage-view.js';

interface OutputColumn {
  readonly name: string;
  /** Over JOINED, aliased j. */
  readonly expression: string;
  /** DuckDB's. */
  readonly type: 'BIGINT' | 'DOUBLE' | 'BOOLEAN' | 'VARCHAR' | 'TIMESTAMP';
}

/**
 * Writes JOINED as Parquet into the store: entity, label time, features, target, split; sorted by label time and entity.
 * The same rows give the same bytes. Memory stays bounded: rows pass through a CSV file on disk, which PostgreSQL
 * writes and DuckDB reads.
 */
export async function writeSnapshot(
  session: Session,
  store: ArtifactStore,
  labels: StagedLabels,
  views: readonly StagedView[],
  signal?: AbortSignal,
): Promise<ArtifactRef> {
  const columns = outputColumns(labels, views);
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-training-set-'));
  try {
    const csv = join(folder, 'rows.csv');
    const parquet = join(folder, 'rows.parquet');
    const order = ['j.t', ...labels.entity.map((_column, index) => `j.e${index}`)].join(', ');
    const list = columns.map(({ expression }) => expression).join(', ');
    await session.copyTo(
      `COPY (SELECT ${list} FROM ${JOINED} AS j ORDER BY ${order}) TO STDOUT (FORMAT csv, NULL '\\N')`,
      createWriteStream(csv),
      signal === undefined ? {} : { signal },
    );
    await convert(csv, parquet, folder, columns);
    signal?.throwIfAborted();
    return await store.putFile(parquet);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function outputColumns(labels: StagedLabels, views: readonly StagedView[]): OutputColumn[] {
  const entity = labels.entity.map((column, index) => entityColumn(column, `j.e${index}`));
  const time: OutputColumn = { name: labels.labelTime.name, expression: utc('j.t'), type: 'TIMESTAMP' };
  const features = views.flatMap((view, index) =>
    view.features.map(({ name, kind, alias }): OutputColumn => ({
      name,
      expression: `j.v${index}_${alias}`,
      type: kind === 'number' ? 'DOUBLE' : 'VARCHAR',
    })),
  );
  return [
    ...entity,
    ...(entity.some(({ name }) => name === time.name) ? [] : [time]),
    ...features,
    { name: labels.target.name, expression: 'j.y', type: 'DOUBLE' },
    { name: SPLIT_COLUMN, expression: `CASE WHEN j.test THEN 'test' ELSE 'train' END`, type: 'VARCHAR' },
  ];
}

function entityColumn({ name, stagedType }: StagedEntity, expression: string): OutputColumn {
  switch (stagedType) {
    case 'bigint':
      return { name, expression, type: 'BIGINT' };
    case 'float8':
      return { name, expression, type: 'DOUBLE' };
    case 'boolean':
      return { name, expression, type: 'BOOLEAN' };
    case 'timestamptz':
      return { name, expression: utc(expression), type: 'TIMESTAMP' };
    default:
      return { name, expression: `${expression}::text`, type: 'VARCHAR' };
  }
}

function utc(expression: string): string {
  return `${expression} AT TIME ZONE 'UTC'`;
}

async function convert(csv: string, parquet: string, folder: string, columns: readonly OutputColumn[]): Promise<void> {
  // One thread keeps the order of rows and the row groups, and so the bytes, the same everywhere.
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: '512MB',
    temp_directory: folder,
    preserve_insertion_order: 'true',
  });
  const connection = await instance.connect();
  try {
    const types = columns.map(({ type }, index) => `c${index}: ${literal(type)}`).join(', ');
    const names = columns.map(({ name }, index) => `c${index} AS ${identifier(name)}`).join(', ');
    // Quoted fields are values, whatever they hold: only a bare \N is NULL.
    await connection.run(`COPY (
      SELECT ${names} FROM read_csv(${literal(csv)}, columns = {${types}}, header = false, auto_detect = false,
        delim = ',', quote = '"', escape = '"', new_line = '\\n', nullstr = '\\N', allow_quoted_nulls = false,
        parallel = false, strict_mode = true)
    ) TO ${literal(parquet)} (FORMAT parquet, COMPRESSION zstd)`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
