import { failpoint } from '../failpoint.js';
import type { Database, Session } from '../model/database.js';
import type { NewModelVersion } from './model-version.js';
import { versionDigest } from './version-digest.js';

/**
 * Registers a model version under the next number. Idempotent: the same content, registered again by a retry or another run,
 * is the version that is there (`created: false`). It was judged anew all the same, perhaps against another champion: each
 * run's judgement is kept, and the version shows the newest.
 *
 * @param options.version its `parity` is the report of `checkParity`, so a version that failed cannot be written down
 * @param options.fence runs in the transaction; throws unless the caller may still write
 */
export async function registerVersion(options: {
  readonly database: Database;
  readonly version: NewModelVersion;
  readonly fence?: (session: Session) => Promise<void>;
}): Promise<{ readonly version: number; readonly digest: string; readonly created: boolean }> {
  const { database, version } = options;
  const digest = versionDigest(version);
  const { env, project, model } = version;
  return database.transaction(async (session) => {
    await options.fence?.(session);
    // Two runs that register at once would both see the same highest number.
    await session.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [
      JSON.stringify(['plumbline.model_versions', env, project, model]),
    ]);
    const [existing] = await session.query<{ version: number }>(
      `SELECT version FROM plumbline.model_versions WHERE env = $1 AND project = $2 AND model = $3 AND digest = $4`,
      [env, project, model, digest],
    );
    const number = existing?.version ?? (await insert(session, version, digest));
    await judge(session, version, number);
    await failpoint('register.before-commit');
    return { version: number, digest, created: existing === undefined };
  });
}

async function insert(session: Session, version: NewModelVersion, digest: string): Promise<number> {
  const { env, project, model } = version;
  const [row] = await session.query<{ version: number }>(
    `INSERT INTO plumbline.model_versions (env, project, model, version, digest, onnx, onnx_bytes, signature, task,
       metrics, baselines, gates, parity, training_set, training_set_sha256, parameters, seed, assumptions, model_card, run_id, bundle)
     SELECT $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20
     FROM plumbline.model_versions WHERE env = $1 AND project = $2 AND model = $3
     RETURNING version`,
    [
      env,
      project,
      model,
      digest,
      version.onnx.sha256,
      version.onnx.bytes,
      JSON.stringify(version.signature),
      version.signature.task,
      JSON.stringify(version.metrics),
      JSON.stringify(version.baselines ?? []),
      JSON.stringify(version.gates ?? []),
      JSON.stringify(version.parity),
      JSON.stringify(version.trainingSet),
      version.trainingSet.artifact.sha256,
      JSON.stringify(version.parameters ?? {}),
      version.seed,
      JSON.stringify(version.assumptions),
      version.modelCard,
      version.runId,
      version.bundle,
    ],
  );
  return row!.version;
}

/** Keeps what this run found, and shows it on the version. */
async function judge(session: Session, version: NewModelVersion, number: number): Promise<void> {
  const { env, project, model, runId, modelCard } = version;
  const evidence = [JSON.stringify(version.baselines ?? []), JSON.stringify(version.gates ?? []), modelCard];
  await session.execute(
    `INSERT INTO plumbline.judgements (env, project, model, version, baselines, gates, model_card, run_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (env, project, model, version, run_id)
     DO UPDATE SET baselines = excluded.baselines, gates = excluded.gates, model_card = excluded.model_card, at = clock_timestamp()`,
    [env, project, model, number, ...evidence, runId],
  );
  await session.execute(
    `UPDATE plumbline.model_versions SET baselines = $5, gates = $6, model_card = $7
     WHERE env = $1 AND project = $2 AND model = $3 AND version = $4`,
    [env, project, model, number, ...evidence],
  );
}
