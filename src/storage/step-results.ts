import type { Queryable } from '../model/database.js';
import { jsonb } from '../model/jsonb.js';

export interface StepResultRow<T> {
  readonly fingerprint: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly result: T;
  readonly run_id: string;
}

/** The newest outcome of a step: what its table holds now. */
export async function newestResult<T>(
  database: Queryable,
  env: string,
  project: string,
  step: string,
): Promise<StepResultRow<T> | undefined> {
  const [row] = await database.query<StepResultRow<T>>(
    `SELECT fingerprint, inputs, result, run_id FROM plumbline.step_results
     WHERE env = $1 AND project = $2 AND step = $3 ORDER BY created_at DESC LIMIT 1`,
    [env, project, step],
    { isKept: true },
  );
  return row;
}

/** The outcome for exactly these inputs, however old: for results that are content, not a table's present state. */
export async function resultFor<T>(
  database: Queryable,
  env: string,
  project: string,
  step: string,
  fingerprint: string,
): Promise<StepResultRow<T> | undefined> {
  const [row] = await database.query<StepResultRow<T>>(
    `SELECT fingerprint, inputs, result, run_id FROM plumbline.step_results
     WHERE env = $1 AND project = $2 AND step = $3 AND fingerprint = $4`,
    [env, project, step, fingerprint],
    { isKept: true },
  );
  return row;
}

export async function saveResult(
  database: Queryable,
  row: {
    readonly env: string;
    readonly project: string;
    readonly step: string;
    readonly fingerprint: string;
    readonly inputs: Readonly<Record<string, string>>;
    readonly result: unknown;
    readonly runId: string;
  },
): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.step_results (env, project, step, fingerprint, inputs, result, run_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (env, project, step, fingerprint)
     DO UPDATE SET inputs = excluded.inputs, result = excluded.result, run_id = excluded.run_id, created_at = clock_timestamp()`,
    [row.env, row.project, row.step, row.fingerprint, jsonb(row.inputs), jsonb(row.result), row.runId],
    { isKept: true },
  );
}
