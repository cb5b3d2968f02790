import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { PassThrough, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TerminalError } from '../errors.js';
import type { Database } from '../model/database.js';
import { readOnly } from './first-rows.js';

/**
 * All rows of one SELECT as PostgreSQL writes CSV: NULL is an empty field, an empty text a quoted one. A file is there whole or
 * not at all; a pipe or device gets the rows as they come. Throws CLI_OUTPUT, and PostgreSQL's own error when it refuses the query.
 * @param options.output a file, behind a link too; standard output without one
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
  const { query, schemas, limit } = options;
  const output = options.output === undefined ? undefined : await behindLinks(options.output);
  const partial = output?.isFile === true ? `${output.path}.part` : undefined;
  const rows = limit === undefined ? query : `SELECT * FROM (${query}\n) AS q LIMIT ${limit}`;
  await readOnly(database, { query, schemas }, async (session) => {
    const target = output === undefined ? process.stdout : await openOutput(partial ?? output.path);
    // Standard output is the caller's: it is not ended.
    const sink = new PassThrough();
    // A terminal gets texts, which it is guarded against; a program or a file every byte.
    if (output === undefined && process.stdout.isTTY) sink.setEncoding('utf8');
    const written = pipeline(sink, target, { end: output !== undefined });
    await Promise.all([session.copyTo(`COPY (${rows}\n) TO STDOUT (FORMAT csv, HEADER)`, sink), written]);
  }).catch(async (error: unknown) => {
    if (partial !== undefined) await rm(partial, { force: true });
    throw error;
  });
  if (output !== undefined && partial !== undefined) await rename(partial, output.path);
}

/** Only a file may be replaced: of a device or a pipe the name would become a file. */
async function behindLinks(path: string): Promise<{ readonly path: string; readonly isFile: boolean }> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { path, isFile: true };
  return found.isFile() ? { path: await realpath(path), isFile: true } : { path, isFile: false };
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
