import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifier, literal } from '../../model/sql-identifier.js';
import { withDuckDB } from '../read/duckdb.js';
import { erase, type Erasure } from './erase-place.js';
import { normalKey } from './key-hash.js';

/**
 * Deletes training sets that have rows of the key and belong to no registered model. Gives a sentence for each model version
 * that was trained on such rows: its training set is the evidence of what it is, and the model itself knows what it learned.
 */
export async function eraseTrainingSets(work: Erasure): Promise<string[]> {
  const { database, project, store, dryRun, signal } = work;
  const sets = await database.query<{ sha256: string; step: string; models: string[] }>(
    `SELECT s.sha256, min(s.step) AS step,
       coalesce(array_agg(DISTINCT v.model || ' v' || v.version) FILTER (WHERE v.model IS NOT NULL), '{}') AS models
     FROM (SELECT env, project, step, result #>> '{trainingSet,artifact,sha256}' AS sha256 FROM plumbline.step_results
           WHERE env = $1 AND project = $2 AND step LIKE 'features:%') s
     LEFT JOIN plumbline.model_versions v ON (v.env, v.project, v.training_set_sha256) = (s.env, s.project, s.sha256)
     WHERE s.sha256 IS NOT NULL GROUP BY s.sha256 ORDER BY s.sha256`,
    [project.env, project.name],
  );
  const left: string[] = [];
  for (const { sha256, step, models } of sets) {
    signal?.throwIfAborted();
    if (!(await store.has(sha256))) continue;
    const rows = await countRows(work, await store.localPath(sha256));
    if (rows === 0) continue;
    if (models.length > 0) {
      left.push(`${models.join(', ')} learned from ${rows} of the rows, which its training set ${sha256.slice(0, 12)} still has: train anew, promote, and retire it.`); // prettier-ignore
      continue;
    }
    await erase(work, 'training set', `${step.replace('features:', '')} ${sha256}`, () => Promise.resolve(rows));
    if (!dryRun) await store.sweep([{ sha256, bytes: 0, usedMs: 0 }], Infinity);
  }
  return left;
}

async function countRows({ key, value }: Erasure, path: string): Promise<number> {
  const names = new Set([key.key, ...[...key.sources, ...key.tables].map(({ column }) => column)]);
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-forget-'));
  try {
    return await withDuckDB({ folder, extraMemoryMb: 128 }, async (duckdb) => {
      const connection = await duckdb();
      const reader = `read_parquet(${literal(path)})`;
      const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${reader}`);
      const columns = described.getRows().map(([name]) => String(name)).filter((name) => names.has(name)); // prettier-ignore
      if (columns.length === 0) return 0;
      const sought = [value, normalKey(value, 'numeric')].map(literal).join(', ');
      const isTheirs = columns.map((name) => `${identifier(name)}::VARCHAR IN (${sought})`).join(' OR ');
      const counted = await connection.runAndReadAll(`SELECT count(*)::VARCHAR FROM ${reader} WHERE ${isTheirs}`);
      return Number(counted.getRows()[0]![0]);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
