import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { PipelineError, TerminalError } from '../errors.js';
import type { Row } from '../model/database.js';
import { projectName } from '../project/project-name.js';
import { schemaNames } from '../project/schema-names.js';
import type { OpenDatabase } from '../storage/database.js';
import { firstRows } from './first-rows.js';
import { showRows } from './show-rows.js';

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
    showRows(await queryRows(database, query, [main, raw], options.limit + 1), options);
  } finally {
    await database.close();
  }
}

async function queryRows(
  database: OpenDatabase,
  query: string,
  schemas: readonly string[],
  limit: number,
): Promise<Row[]> {
  try {
    return await firstRows(database, { query: query.replace(/[;\s]+$/, ''), schemas, limit });
  } catch (error) {
    if (error instanceof PipelineError || typeof (error as { code?: unknown }).code !== 'string') throw error;
    throw new TerminalError('QUERY_REFUSED', `PostgreSQL refused the query: ${(error as Error).message}.`, {
      details: { query },
      next: 'Correct the query: one SELECT (or WITH, VALUES, TABLE).',
      cause: error,
    });
  }
}
