import { open, rename, rm } from 'node:fs/promises';
import { PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pc from 'picocolors';
import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { PipelineError, TerminalError } from '../errors.js';
import type { Row, Session } from '../model/database.js';
import { identifier } from '../model/sql-identifier.js';
import { projectName } from '../project/project-name.js';
import { schemaNames } from '../project/schema-names.js';
import type { OpenDatabase } from '../storage/database.js';
import { table } from './format.js';

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
export async function sqlCommand(query: string, options: SqlOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const { main, raw } = schemaNames(await projectName(settings.root, options.env), options.env);
  const database = connectDatabase(settings, 1);
  try {
    if (options.csv === true || options.output !== undefined)
      return await writeRows(database, query, [main, raw], options);
    const limit = options.limit ?? SHOWN_ROWS;
    const rows = await firstRows(database, query, [main, raw], limit + 1);
    const shown = rows.slice(0, limit);
    if (options.json) return void process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    process.stdout.write(`${render(shown)}\n`);
    if (rows.length > shown.length) process.stdout.write(pc.dim(`… more than ${limit} rows; see more with --limit\n`));
  } finally {
    await database.close();
  }
}

function firstRows(database: OpenDatabase, query: string, schemas: readonly string[], limit: number): Promise<Row[]> {
  return withQuery(database, query, schemas, (session) => session.query(`FETCH FORWARD ${limit} FROM shown`));
}

/** All rows as PostgreSQL writes them: NULL is an empty field, an empty text a quoted one. */
async function writeRows(
  database: OpenDatabase,
  query: string,
  schemas: readonly string[],
  { limit, output }: SqlOptions,
): Promise<void> {
  const partial = output === undefined ? undefined : `${output}.part`;
  await withQuery(database, query, schemas, async (session, select) => {
    const target = partial === undefined ? process.stdout : await openOutput(partial);
    const rows = limit === undefined ? select : `SELECT * FROM (${select}\n) AS q LIMIT ${limit}`;
    // Standard output is the caller's: it is not ended.
    const sink = new PassThrough();
    const written = pipeline(sink, target, { end: partial !== undefined });
    await Promise.all([session.copyTo(`COPY (${rows}\n) TO STDOUT (FORMAT csv, HEADER)`, sink), written]); // prettier-ignore
  }).catch(async (error: unknown) => {
    if (partial !== undefined) await rm(partial, { force: true });
    throw error;
  });
  if (output !== undefined && partial !== undefined) await rename(partial, output);
}

async function openOutput(path: string): Promise<Writable> {
  const file = await open(path, 'w').catch((error: Error) => {
    throw new TerminalError('CLI_OUTPUT', `Writing ${path} failed: ${error.message}.`, {
      next: 'Name a file in a folder that is there and that you may write to.',
      cause: error,
    });
  });
  return file.createWriteStream();
}

/** Lends a connection that cannot write, with a cursor `shown` over the query; `select` is the query, known to be one statement. */
function withQuery<T>(
  database: OpenDatabase,
  query: string,
  schemas: readonly string[],
  work: (session: Session, select: string) => Promise<T>,
): Promise<T> {
  return database.session(async (session) => {
    await session.execute(`SET default_transaction_read_only = on`);
    await session.execute(`SET search_path = ${schemas.map(identifier).join(', ')}`);
    const select = query.replace(/[;\s]+$/, '');
    try {
      return await session.transaction(async () => {
        // The empty list: a second statement could commit and lift the refusal to write.
        await session.execute(`DECLARE shown NO SCROLL CURSOR FOR ${select}`, []);
        return work(session, select);
      });
    } catch (error) {
      // What a disk or a pipe refuses has a code too.
      if (error instanceof PipelineError || !('severity' in (error as object))) throw error;
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
