import { execFileSync, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { extractFiles } from '../../src/elt/extract/extract-files.js';
import { groupObjects } from '../../src/elt/load/group-objects.js';
import { loadObjects } from '../../src/elt/load/load-objects.js';
import { publishResource, type PublishResult } from '../../src/elt/load/publish-resource.js';
import type { ColumnType, ResourceConfig } from '../../src/model/project.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import type { OpenDatabase } from '../../src/storage/database.js';

export interface LoadBench {
  readonly database: OpenDatabase;
  /** Holds the files and the store. */
  readonly folder: string;
  readonly path: string;
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** @default 'auto' */
  readonly format?: ResourceConfig['format'];
  readonly children?: ResourceConfig['children'];
}

/**
 * GET, PROCESS and publication of files, as the worker does it: hashed into the landing zone, every value checked, chunk by
 * chunk with the ledger, swapped in.
 */
export async function loadFiles(bench: LoadBench): Promise<PublishResult> {
  const { database, folder, path, columns, format = 'auto', children } = bench;
  const resource: ResourceConfig = {
    id: 'bench.rows',
    source: 'bench',
    table: 'rows',
    type: 'files',
    path,
    format,
    write: 'replace',
    primaryKey: [],
    columns,
    ...(children && { children }),
    maxRejectedShare: 0.01,
    at: { file: 'plumbline.yaml', line: 1 },
  };
  const base = {
    database,
    store: openDirectoryStore(`${folder}/store`),
    env: 'bench',
    project: 'bench',
    schemas: { raw: 'bench_raw', main: 'bench', stage: 'bench_stage' },
    resource,
    runId: 'bench',
  };
  const loads = [];
  const objects = await extractFiles({ ...base, root: folder, now: new Date() });
  let start = 0;
  for (const length of groupObjects(resource, objects))
    loads.push(...(await loadObjects({ ...base, objects: objects.slice(start, (start += length)) })));
  return publishResource({ ...base, loads });
}

/** Writes what a query gives as CSV with a header, to the disk: what is measured afterwards does not pay for it. */
export async function writeCsvOf(database: OpenDatabase, query: string, file: string): Promise<void> {
  await database.session((session) =>
    session.copyTo(`COPY (${query}) TO STDOUT (FORMAT csv, HEADER)`, createWriteStream(file, { flush: true })),
  );
}

/** Seconds that `psql` takes for a script; throws when there is no psql on the PATH. */
export function secondsOfPsql(url: string, script: string): number {
  const start = performance.now();
  const { status, error, stderr } = spawnSync('psql', [url, '-X', '-q', '-v', 'ON_ERROR_STOP=1'], {
    input: script,
    encoding: 'utf8',
  });
  if (error !== undefined) throw new Error(`this bench compares with psql, which is not on the PATH: ${error.message}`);
  if (status !== 0) throw new Error(`psql failed: ${stderr}`);
  return (performance.now() - start) / 1_000;
}

export function psqlVersion(): string {
  return execFileSync('psql', ['--version'], { encoding: 'utf8' }).trim();
}

/** Undefined when there is none on the PATH. */
export function psqlIfThere(): string | undefined {
  return spawnSync('psql', ['--version']).error === undefined ? psqlVersion() : undefined;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
