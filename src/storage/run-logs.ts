import type { Database, Queryable } from '../model/database.js';

/** Lines that a program of a step printed one after the other. */
export interface LogBlock {
  readonly step: string;
  readonly attempt: number;
  /** Of all that the step has printed, from 1. What is missing between two blocks was not kept. */
  readonly firstLine: number;
  readonly lines: number;
  readonly at: string;
  /** Each line with its end. */
  readonly content: string;
}

export interface NewLogBlock {
  readonly runId: string;
  readonly step: string;
  readonly attempt: number;
  /** Lines before it that are not kept. */
  readonly skipped: number;
  readonly lines: readonly string[];
  /** What the step may have; its oldest blocks go. */
  readonly maxBytes: number;
}

/**
 * Adds what a step's program has printed behind what is there. Gives false, and adds nothing, when another attempt added a block in the
 * same moment: then it is to be tried again.
 */
export async function appendLog(database: Database, block: NewLogBlock): Promise<boolean> {
  const { runId, step, attempt, skipped, lines, maxBytes } = block;
  const content = lines.map((line) => `${line}\n`).join('');
  return database.transaction(async (session) => {
    const added = await session.query(
      `INSERT INTO plumbline.run_logs (run_id, step, first_line, lines, bytes, attempt, content)
       SELECT $1, $2, coalesce(max(first_line + lines), 1) + $3::bigint, $4::integer, octet_length($6::text), $5::integer, $6
       FROM plumbline.run_logs WHERE run_id = $1 AND step = $2
       ON CONFLICT DO NOTHING RETURNING first_line`,
      [runId, step, skipped, lines.length, attempt, content],
    );
    if (added.length === 0) return false;
    await session.execute(
      `DELETE FROM plumbline.run_logs WHERE run_id = $1 AND step = $2 AND first_line < (
         SELECT min(first_line) FROM (
           SELECT first_line, sum(bytes) OVER (ORDER BY first_line DESC) AS bytes
           FROM plumbline.run_logs WHERE run_id = $1 AND step = $2) AS newest
         WHERE bytes <= $3::bigint)`,
      [runId, step, maxBytes],
    );
    return true;
  });
}

/**
 * The next blocks of a run in the order in which they were written, at most 200.
 *
 * @param options.after step → the first line of the last block that is known
 * @param options.steps only these, and their parts; undefined for all
 */
export async function readLog(
  database: Queryable,
  runId: string,
  options: { readonly after: Readonly<Record<string, number>>; readonly steps?: readonly string[] | undefined },
): Promise<LogBlock[]> {
  const rows = await database.query<Omit<LogBlock, 'firstLine'> & { first_line: string }>(
    `SELECT step, attempt, first_line::text, lines, at, content FROM plumbline.run_logs
     WHERE run_id = $1 AND first_line > coalesce(($2::jsonb ->> step)::bigint, 0)
       AND ($3::text[] IS NULL OR split_part(step, '#', 1) = ANY ($3))
     ORDER BY at, step, first_line LIMIT 200`,
    [runId, JSON.stringify(options.after), options.steps ?? null],
  );
  return rows.map(({ first_line: firstLine, ...row }) => ({ ...row, firstLine: Number(firstLine) }));
}
