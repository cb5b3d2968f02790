import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetRows } from '../../table/parquet-rows.js';
import { withDuckDB } from '../read/duckdb.js';
import { erase, type Erasure } from './erase-place.js';
import { keyHashSql } from './key-hash.js';
import { sameKey } from './same-key.js';

/**
 * Deletes training sets that have rows of the key and belong to no registered model. Gives a sentence for each model version
 * that was trained on such rows: its training set is the evidence of what it is, and the model itself knows what it learned.
 */
export async function eraseTrainingSets(work: Erasure): Promise<string[]> {
  const { database, project, store, erasureId, dryRun, signal } = work;
  const sets = await database.query<{ sha256: string; step: string; models: string[] }>(
    `SELECT s.sha256, min(s.step) AS step,
       coalesce(array_agg(DISTINCT v.model || ' v' || v.version || CASE WHEN (v.env, v.project) = ($1, $2) THEN '' ELSE ' of ' || v.project || ' (' || v.env || ')' END)
         FILTER (WHERE v.model IS NOT NULL), '{}') AS models
     FROM (SELECT env, project, step, result #>> '{trainingSet,artifact,sha256}' AS sha256 FROM plumbline.step_results
           WHERE env = $1 AND project = $2 AND step LIKE 'features:%') s
     -- Of any project: the same rows make the same set.
     LEFT JOIN plumbline.model_versions v ON v.training_set_sha256 = s.sha256
     WHERE s.sha256 IS NOT NULL GROUP BY s.sha256 ORDER BY s.sha256`,
    [project.env, project.name],
  );
  const left: string[] = [];
  const held = await heldSets(work, sets.map(({ sha256 }) => sha256)); // prettier-ignore
  for (const { sha256, step, models } of sets) {
    signal?.throwIfAborted();
    if (!(await store.has(sha256))) continue;
    const rows = await countRows(work, await store.localPath(sha256));
    if (rows === 0) continue;
    if (models.length > 0) {
      left.push(`${models.join(', ')} learned from ${rows} of the rows, which its training set ${sha256.slice(0, 12)} still has: train anew, promote, and retire it.`); // prettier-ignore
      continue;
    }
    const holders = held.get(sha256);
    if (holders !== undefined) {
      left.push(`Training set ${sha256.slice(0, 12)} has ${rows} of the rows and belongs to ${holders} too: forget the key there, then here again.`); // prettier-ignore
      continue;
    }
    const place = `${step.replace('features:', '')} ${sha256}`;
    await erase(work, 'training set', place, async (session) => {
      // Counted already by an attempt that was stopped before it deleted the object.
      await session.execute(`DELETE FROM plumbline.erased WHERE (erasure_id, kind, place) = ($1, 'training set', $2)`, [erasureId, place]); // prettier-ignore
      return rows;
    });
    if (!dryRun) await store.sweep([{ sha256, bytes: 0, usedMs: 0 }], Infinity);
  }
  return left;
}

async function countRows({ key, spellings }: Erasure, path: string): Promise<number> {
  const names = new Set([key.key, ...[...key.sources, ...key.tables].map(({ column }) => column)]);
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-forget-'));
  try {
    return await withDuckDB({ folder, extraMemoryMb: 128 }, async (duckdb) => {
      const connection = await duckdb();
      const reader = parquetRows(path);
      const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${reader}`);
      const columns = described.getRows().filter(([name]) => names.has(String(name)));
      if (columns.length === 0) return 0;
      const isTheirs: string[] = [];
      for (const [name, type] of columns)
        isTheirs.push(await sameKey(connection, { column: String(name), type: String(type) }, spellings));
      const counted = await connection.runAndReadAll(
        `SELECT count(*)::VARCHAR FROM ${reader} WHERE ${isTheirs.join(' OR ')}`,
      );
      return Number(counted.getRows()[0]![0]);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Sets of the same rows that another project or environment made, and which has not been asked to forget the key. */
async function heldSets(
  { database, project, spellings }: Erasure,
  sets: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await database.query<{ sha256: string; holders: string }>(
    `SELECT held.sha256, string_agg(DISTINCT held.project || ' (' || held.env || ')', ', ') AS holders FROM (
       SELECT result #>> '{trainingSet,artifact,sha256}', env, project FROM plumbline.step_results WHERE step LIKE 'features:%'
     ) AS held (sha256, env, project)
     WHERE held.sha256 = ANY($1) AND (held.env, held.project) <> ($2, $3)
       AND NOT EXISTS (SELECT FROM plumbline.erasure_salts s JOIN plumbline.erasures e USING (env, project), unnest($4::text[]) AS key (value)
         WHERE (s.env, s.project) = (held.env, held.project) AND NOT e.dry_run AND e.key_hash = ${keyHashSql('s.salt', 'key.value')})
     GROUP BY held.sha256`,
    [sets, project.env, project.name, spellings],
  );
  return new Map(rows.map(({ sha256, holders }) => [sha256, holders]));
}
