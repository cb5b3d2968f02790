import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { promote } from '../../src/deployment/promote.js';
import { registerVersion } from '../../src/deployment/register-version.js';
import type { NewModelVersion } from '../../src/deployment/model-version.js';
import type { ArtifactStore } from '../../src/model/artifact.js';
import { createServer, type PredictionServer, type ServingOptions } from '../../src/serving/create-server.js';
import { openDirectoryStore } from '../../src/storage/artifact-store.js';
import { fixtureModel, newVersion } from '../deployment/new-version.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

export interface ServingSite {
  readonly test: TestDatabase;
  readonly store: ArtifactStore;
  readonly storeDir: string;
  readonly spoolDir: string;
  /** Log lines of the servers of this site. */
  readonly logged: Record<string, unknown>[];
  /** Registers a fixture as a version; promotes it unless told otherwise. */
  deploy(file: string, changes?: Partial<NewModelVersion> & { readonly promoted?: boolean }): Promise<number>;
  serve(changes?: Partial<ServingOptions>): Promise<PredictionServer>;
  post(url: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  closeServers(): Promise<void>;
  /** Ends every server and drops the database. */
  end(): Promise<void>;
}

export async function createServingSite(): Promise<ServingSite> {
  const test = await createTestDatabase();
  const home = mkdtempSync(join(tmpdir(), 'plumbline-serving-'));
  const storeDir = join(home, 'store');
  const spoolDir = join(home, 'spool');
  const store = openDirectoryStore(storeDir);
  const servers: PredictionServer[] = [];
  const logged: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line) as never) });
  const closeServers = async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  };
  return {
    test,
    store,
    storeDir,
    spoolDir,
    logged,
    async deploy(file, { promoted = true, ...changes } = {}) {
      await store.put(fixtureModel(file));
      const version = newVersion({ file, ...changes });
      const registered = await registerVersion({ database: test.database, version });
      const { env, project, model } = version;
      if (promoted) {
        const order = { env, project, model, version: registered.version, who: 'test', reason: 'test' };
        await promote({ database: test.database, ...order });
      }
      return registered.version;
    },
    async serve(changes = {}) {
      const defaults = { database: test.database, store, env: 'dev', project: 'bikes', port: 0, spoolDir, logger };
      const server = await createServer({ ...defaults, pollMs: 50, serverVersion: '0.1.0', ...changes });
      servers.push(server);
      return server;
    },
    async post(url, body) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    closeServers,
    async end() {
      await closeServers();
      await test.drop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Asks until `check` holds; fails after 20 s with what was seen last. */
export async function eventually<T>(ask: () => Promise<T> | T, check: (value: T) => boolean): Promise<T> {
  let last = await ask();
  for (let attempt = 0; attempt < 400 && !check(last); attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    last = await ask();
  }
  if (!check(last)) throw new Error(`waited in vain; last seen: ${JSON.stringify(last).slice(0, 500)}`);
  return last;
}
