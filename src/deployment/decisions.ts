import { randomUUID } from 'node:crypto';
import { TerminalError } from '../errors.js';
import type { Database, Queryable } from '../model/database.js';
import type { ModelKey } from './model-version.js';
import { readVersion } from './read-versions.js';

export type DecisionKind = 'approve' | 'reject' | 'promote' | 'rollback' | 'override';

/** Who decided what about which content, and why. Rows are never changed. */
export interface Decision extends ModelKey {
  readonly id: string;
  readonly version: number;
  readonly digest: string;
  readonly kind: DecisionKind;
  readonly who: string;
  readonly reason: string;
  readonly runId?: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

export interface NewDecision extends ModelKey {
  readonly version: number;
  readonly kind: DecisionKind;
  readonly who: string;
  readonly reason: string;
  readonly runId?: string;
  /** Names the decision for a retry; the same id twice is one row. @default a random UUID */
  readonly id?: string;
  /** The content the decider looked at; refused when the registered version has another. */
  readonly digest?: string;
}

/**
 * Writes one decision down.
 *
 * @throws TerminalError `DEPLOY_MODEL_UNKNOWN`, `DEPLOY_DIGEST_CHANGED`
 */
export async function recordDecision(options: {
  readonly database: Database;
  readonly decision: NewDecision;
}): Promise<Decision> {
  return insertDecision(options.database, options.decision);
}

/** `recordDecision` within the caller's transaction. */
export async function insertDecision(database: Queryable, decision: NewDecision): Promise<Decision> {
  const { env, project, model, version, kind, who, reason } = decision;
  const { digest } = await readVersion(database, decision, version);
  if (decision.digest !== undefined && decision.digest !== digest) {
    throw new TerminalError(
      'DEPLOY_DIGEST_CHANGED',
      `Recording "${kind}" of ${model} v${version} was refused: it names digest ${decision.digest}, the registered version has ${digest}.`,
      { details: { model, version, digest }, next: `Look again with \`plumbline models show ${model}\`.` },
    );
  }
  const id = decision.id ?? randomUUID();
  await database.execute(
    `INSERT INTO plumbline.decisions (id, env, project, model, version, digest, kind, who, reason, run_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING`,
    [id, env, project, model, version, digest, kind, who, reason, decision.runId ?? null],
  );
  const [row] = await database.query<DecisionRow>(`SELECT * FROM plumbline.decisions WHERE id = $1`, [id]);
  return toDecision(row!);
}

/**
 * Newest approval, rejection or override of a version, or undefined when nobody decided yet. What was said before the
 * version last left serving, by a rollback or for another version, counts no more: an old approval must neither undo a
 * rollback nor bring back what was replaced long ago.
 */
export async function readDecision(options: {
  readonly database: Queryable;
  readonly key: ModelKey;
  readonly version: number;
}): Promise<Decision | undefined> {
  const { env, project, model } = options.key;
  const [row] = await options.database.query<DecisionRow>(
    `SELECT * FROM plumbline.decisions
     WHERE env = $1 AND project = $2 AND model = $3 AND version = $4 AND kind IN ('approve', 'reject', 'override')
       AND at > coalesce((SELECT max(h.at) FROM plumbline.pointer_history h
                          WHERE (h.env, h.project, h.model) = ($1, $2, $3) AND h.previous_version = $4 AND h.version <> $4),
                         '-infinity')
     ORDER BY at DESC, id DESC LIMIT 1`,
    [env, project, model, options.version],
  );
  return row && toDecision(row);
}

/** Decisions about a model, newest first. */
export async function listDecisions(database: Queryable, key: ModelKey): Promise<Decision[]> {
  const rows = await database.query<DecisionRow>(
    `SELECT * FROM plumbline.decisions WHERE env = $1 AND project = $2 AND model = $3 ORDER BY at DESC, id DESC`,
    [key.env, key.project, key.model],
  );
  return rows.map(toDecision);
}

interface DecisionRow {
  readonly id: string;
  readonly env: string;
  readonly project: string;
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly kind: DecisionKind;
  readonly who: string;
  readonly reason: string;
  readonly run_id: string | null;
  readonly at: string;
}

function toDecision(row: DecisionRow): Decision {
  const { run_id: runId, at, ...rest } = row;
  return { ...rest, at: new Date(at).toISOString(), ...(runId === null ? {} : { runId }) };
}
