import { TerminalError } from '../errors.js';
import type { Queryable } from '../model/database.js';
import type { ModelKey, ModelVersion, ServingPointer } from './model-version.js';

const COLUMNS = `v.env, v.project, v.model, v.version, v.digest, v.onnx, v.onnx_bytes, v.signature, v.task, v.metrics,
  v.baselines, v.gates, v.parity, v.training_set, v.parameters, v.seed, v.assumptions, v.model_card, v.run_id, v.bundle,
  v.created_at`;

interface VersionRow {
  readonly env: string;
  readonly project: string;
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly onnx: string;
  readonly onnx_bytes: string;
  readonly signature: ModelVersion['signature'];
  readonly task: ModelVersion['task'];
  readonly metrics: ModelVersion['metrics'];
  readonly baselines: unknown;
  readonly gates: unknown;
  readonly parity: ModelVersion['parity'];
  readonly training_set: ModelVersion['trainingSet'];
  readonly parameters: unknown;
  readonly seed: string;
  readonly assumptions: readonly string[];
  readonly model_card: string;
  readonly run_id: string;
  readonly bundle: string;
  readonly created_at: string;
}

/** @throws TerminalError `DEPLOY_MODEL_UNKNOWN` naming the versions there are */
export async function readVersion(database: Queryable, key: ModelKey, version: number): Promise<ModelVersion> {
  const [row] = await database.query<VersionRow>(
    `SELECT ${COLUMNS} FROM plumbline.model_versions v WHERE env = $1 AND project = $2 AND model = $3 AND version = $4`,
    [key.env, key.project, key.model, version],
  );
  if (row === undefined) throw await unknownModel(database, key, version);
  return toVersion(row);
}

export interface ListedVersion extends ModelVersion {
  /** Whether the serving pointer names it. */
  readonly serving: boolean;
  /** Newest approval or rejection that still counts: since the version last left serving. */
  readonly decision?: 'approve' | 'reject' | 'override';
}

/** Versions of a project's models, newest first. */
export async function listVersions(
  database: Queryable,
  key: { readonly env: string; readonly project: string; readonly model?: string },
): Promise<ListedVersion[]> {
  const rows = await database.query<VersionRow & { serving: boolean; decision: ListedVersion['decision'] | null }>(
    `SELECT ${COLUMNS}, p.version IS NOT NULL AS serving,
       (SELECT d.kind FROM plumbline.decisions d
        WHERE (d.env, d.project, d.model, d.version) = (v.env, v.project, v.model, v.version)
          AND d.kind IN ('approve', 'reject', 'override')
          AND d.at > coalesce((SELECT max(h.at) FROM plumbline.pointer_history h
                               WHERE (h.env, h.project, h.model) = (v.env, v.project, v.model)
                                 AND h.previous_version = v.version AND h.version <> v.version), '-infinity')
        ORDER BY d.at DESC, d.id DESC LIMIT 1) AS decision
     FROM plumbline.model_versions v
     LEFT JOIN plumbline.serving_pointer p USING (env, project, model, version)
     WHERE v.env = $1 AND v.project = $2 AND ($3::text IS NULL OR v.model = $3)
     ORDER BY v.model, v.version DESC`,
    [key.env, key.project, key.model ?? null],
  );
  return rows.map((row) => ({
    ...toVersion(row),
    serving: row.serving,
    ...(row.decision === null ? {} : { decision: row.decision }),
  }));
}

/** What serves, or undefined when nothing of the model does yet. */
export async function readPointer(database: Queryable, key: ModelKey): Promise<ServingPointer | undefined> {
  const [row] = await database.query<{ version: number; epoch: string }>(
    `SELECT version, epoch FROM plumbline.serving_pointer WHERE env = $1 AND project = $2 AND model = $3`,
    [key.env, key.project, key.model],
  );
  return row && { version: row.version, epoch: Number(row.epoch) };
}

/** The serving version, against which a challenger is compared. */
export async function readChampion(database: Queryable, key: ModelKey): Promise<ModelVersion | undefined> {
  const pointer = await readPointer(database, key);
  return pointer && readVersion(database, key, pointer.version);
}

/** The error for a model or version that is not registered. */
export async function unknownModel(database: Queryable, key: ModelKey, version?: number): Promise<TerminalError> {
  const known = await database.query<{ model: string; version: number }>(
    `SELECT model, version FROM plumbline.model_versions WHERE env = $1 AND project = $2 ORDER BY model, version DESC LIMIT 20`,
    [key.env, key.project],
  );
  const names = known.map((row) => `${row.model} v${row.version}`).join(', ') || 'none';
  const wanted = version === undefined ? key.model : `${key.model} v${version}`;
  return new TerminalError(
    'DEPLOY_MODEL_UNKNOWN',
    `Reading model ${wanted} of ${key.project} in ${key.env} failed: it is not registered, expected one of: ${names}.`,
    { details: { ...key, version }, next: 'List the models with `plumbline models list`.' },
  );
}

function toVersion(row: VersionRow): ModelVersion {
  return {
    env: row.env,
    project: row.project,
    model: row.model,
    version: row.version,
    digest: row.digest,
    onnx: { sha256: row.onnx, bytes: Number(row.onnx_bytes) },
    signature: row.signature,
    task: row.task,
    metrics: row.metrics,
    baselines: row.baselines,
    gates: row.gates,
    parity: row.parity,
    trainingSet: row.training_set,
    parameters: row.parameters,
    seed: Number(row.seed),
    assumptions: row.assumptions,
    // The card was written before its version had a number.
    modelCard: row.model_card.replace(/^# .*/, (title) => `${title} v${row.version}`),
    runId: row.run_id,
    bundle: row.bundle,
    createdAt: new Date(row.created_at).toISOString(),
  };
}
