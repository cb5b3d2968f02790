import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { PipelineError, TerminalError } from '../errors.js';
import type { Database } from '../model/database.js';
import { projectName } from '../project/project-name.js';
import { schemaNames } from '../project/schema-names.js';
import { firstRows } from './first-rows.js';
import { showRows } from './show-rows.js';
import { writeRows } from './write-rows.js';

export interface SqlOptions {
  readonly env: string;
  /** @default 50; as CSV all rows */
  readonly limit?: number;
  readonly json: boolean;
  readonly csv?: boolean;
  /** A file that gets the rows as CSV. */
  readonly output?: string;
}

const SHOWN_ROWS = 50;

/** `plumbline sql`: the rows of a query, in a transaction that cannot write. Throws QUERY_REFUSED, CLI_OUTPUT. */
export async function sqlCommand(text: string, options: SqlOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const { main, raw } = schemaNames(await projectName(settings.root, options.env), options.env);
  const { limit = SHOWN_ROWS, output, json } = options;
  const query = { query: text.replace(/[;\s]+$/, ''), schemas: [main, raw] };
  const database = connectDatabase(settings, 1);
  try {
    if (options.csv === true || output !== undefined)
      await writeRows(database, { ...query, output, limit: options.limit });
    else showRows(await firstRows(database, { ...query, limit: limit + 1 }), { limit, json });
  } catch (error) {
    // What a disk or a pipe refuses has a code too.
    if (error instanceof PipelineError || !('severity' in (error as object))) throw error;
    throw new TerminalError('QUERY_REFUSED', `PostgreSQL refused the query: ${(error as Error).message}.`, {
      details: { query: text },
      next: await remedy(error as RefusedQuery, database, query.schemas),
      cause: error,
    });
  } finally {
    await database.close();
  }
}

interface RefusedQuery {
  readonly code?: string;
  readonly hint?: string;
}

const NAMED_TABLES = 30;

/** PostgreSQL's own hint, or what there is to name. */
async function remedy({ code, hint }: RefusedQuery, database: Database, schemas: readonly string[]): Promise<string> {
  if (hint !== undefined && hint !== '') return hint;
  if (code !== '42P01') return 'Correct the query: one SELECT (or WITH, VALUES, TABLE).';
  const tables = await database.query<{ name: string }>(
    'SELECT DISTINCT table_name AS name FROM information_schema.tables WHERE table_schema = ANY($1) ORDER BY 1',
    [schemas],
  );
  if (tables.length === 0) return 'The project has no tables here yet: `plumbline run` makes them.';
  const shown = tables.slice(0, NAMED_TABLES).map(({ name }) => name);
  return `Name one of ${shown.join(', ')}${tables.length > NAMED_TABLES ? ', …' : ''}.`;
}
