import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { postgresBinaries } from '../../src/embedded/postgres-binaries.js';
import { migrate } from '../../src/storage/migrations.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A real PostgreSQL for this test run; `createTestDatabase` makes a database of its own in it. */
    postgresUrl: string;
    /** Name of a database in it that has plumbline's tables and that nobody connects to. */
    migratedDatabase: string;
  }
}

/** One throw-away PostgreSQL for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, stop } = await startPostgres();
  project.provide('postgresUrl', url);
  project.provide('migratedDatabase', await migratedDatabase(url));
  return stop;
}

/** Starts a throw-away PostgreSQL; `stop` ends it and leaves nothing. */
export async function startPostgres(): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const bin = await postgresBinaries();
  const home = await mkdtemp(join(tmpdir(), 'plumbline-test-pg-'));
  const nobody = account();
  if (nobody.uid !== undefined) await chown(home, nobody.uid, nobody.gid!);
  const data = join(home, 'data');
  await promisify(execFile)(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...nobody, cwd: home },
  );
  const server = await startServer(home, await freePort());
  return {
    url: server.url,
    async stop() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function migratedDatabase(url: string): Promise<string> {
  const name = 'migrated';
  const { Client } = (await import('pg')).default;
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  await migrate(url.replace(/\/postgres$/, `/${name}`));
  return name;
}

/** Starts a server over `<home>/data`, which is as fast as it can be and forgets what a power cut finds unwritten. */
export async function startServer(
  home: string,
  port: number,
): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const bin = await postgresBinaries();
  const fast = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off', 'max_connections=200'];
  const server = spawn(
    join(bin, 'postgres'),
    [
      ...['-D', join(home, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', home],
      ...fast.flatMap((setting) => ['-c', setting]),
    ],
    { ...account(), cwd: home, stdio: 'ignore' },
  );
  await waitForPort(port, server);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      server.kill('SIGINT');
      await new Promise((resolve) => server.once('exit', resolve));
    },
  };
}

/** PostgreSQL refuses to run as root; `nobody` is on every system. */
function account(): { readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function waitForPort(port: number, server: ChildProcess): Promise<void> {
  const { Client } = (await import('pg')).default;
  for (let attempt = 0; attempt < 200; attempt++) {
    if (server.exitCode !== null) throw new Error(`the test PostgreSQL ended with ${server.exitCode}`);
    const client = new Client({ connectionString: `postgres://postgres@127.0.0.1:${port}/postgres` });
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error('the test PostgreSQL did not start in 20 s');
}
