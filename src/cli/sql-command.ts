import pc from 'picocolors';
import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { PipelineError, TerminalError } from '../errors.js';
import type { Row } from '../model/database.js';
import { identifier } from '../model/sql-identifier.js';
import { projectName } from '../project/project-name.js';
import { schemaNames } from '../project/schema-names.js';
import type { OpenDatabase } from '../storage/database.js';
import { table } from './format.js';

export interface SqlOptions {
  readonly env: string;
  readonly limit: number;
  readonly json: boolean;
}

/** `plumbline sql`: the first rows of a query, in a transaction that cannot write. Throws QUERY_REFUSED. */
export async function sqlCommand(query: string, options: SqlOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const { main, raw } = schemaNames(await projectName(settings.root, options.env), options.env);
  const database = connectDatabase(settings, 1);
  try {
    const rows = await firstRows(database, query, [main, raw], options.limit + 1);
    const shown = rows.slice(0, options.limit);
    if (options.json) return void process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    process.stdout.write(`${render(shown)}\n`);
    if (rows.length > shown.length)
      process.stdout.write(pc.dim(`… more than ${options.limit} rows; see more with --limit\n`));
  } finally {
    await database.close();
  }
}

async function firstRows(
  database: OpenDatabase,
  query: string,
  schemas: readonly string[],
  limit: number,
): Promise<Row[]> {
  return database.session(async (session) => {
    await session.execute(`SET default_transaction_read_only = on`);
    await session.execute(`SET search_path = ${schemas.map(identifier).join(', ')}`);
    try {
      return await session.transaction(async () => {
        // The empty list: a second statement could commit and lift the refusal to write.
        await session.execute(`DECLARE shown NO SCROLL CURSOR FOR ${query.replace(/[;\s]+$/, '')}`, []);
        return session.query(`FETCH FORWARD ${limit} FROM shown`);
      });
    } catch (error) {
      if (error instanceof PipelineError || typeof (error as { code?: unknown }).code !== 'string') throw error;
      throw new TerminalError('QUERY_REFUSED', `PostgreSQL refused the query: ${(error as Error).message}.`, {
        details: { query },
        next: 'Correct the query: one SELECT (or WITH, VALUES, TABLE).',
        cause: error,
      });
    }
  });
}

function render(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return '(0 rows)';
  const names = Object.keys(first);
  return table([names, ...rows.map((row) => names.map((name) => cell(row[name])))]);
}

/** One line a row: a long or many-lined value is cut. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '∅';
  const text = textOf(value).replaceAll(/\s+/g, ' ').trim();
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}
