import { open, rename, rm } from 'node:fs/promises';
import { PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TerminalError } from '../errors.js';
import type { Database } from '../model/database.js';
import { readOnly } from './first-rows.js';

/**
 * All rows of one SELECT as PostgreSQL writes CSV: NULL is an empty field, an empty text a quoted one. A file is there whole or
 * not at all. Throws CLI_OUTPUT, and PostgreSQL's own error when it refuses the query.
 * @param options.output a file; standard output without one
 */
export async function writeRows(
  database: Database,
  options: {
    readonly query: string;
    readonly schemas: readonly string[];
    readonly limit?: number | undefined;
    readonly output?: string | undefined;
  },
): Promise<void> {
  const { query, schemas, limit, output } = options;
  const partial = output === undefined ? undefined : `${output}.part`;
  const rows = limit === undefined ? query : `SELECT * FROM (${query}\n) AS q LIMIT ${limit}`;
  await readOnly(database, { query, schemas }, async (session) => {
    const target = partial === undefined ? process.stdout : await openOutput(partial);
    // Standard output is the caller's: it is not ended.
    const sink = new PassThrough();
    // A terminal gets texts, which it is guarded against; a program or a file every byte.
    if (partial === undefined && process.stdout.isTTY) sink.setEncoding('utf8');
    const written = pipeline(sink, target, { end: partial !== undefined });
    await Promise.all([session.copyTo(`COPY (${rows}\n) TO STDOUT (FORMAT csv, HEADER)`, sink), written]);
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
