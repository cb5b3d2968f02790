import { TransientError } from '../errors.js';
import type { Database } from '../model/database.js';
import { repeat } from '../model/repeat.js';
import { addLineageEvents, listUntold, type UntoldRun } from '../storage/lineage-events.js';
import type { KnownNode } from './known-node.js';
import { runEvents } from './run-events.js';
import { sendLineageEvents, type Receiver } from './send-events.js';

const EVERY_MS = 5_000;
const RUNS_AT_ONCE = 20;

export interface LineageOptions {
  readonly database: Database;
  readonly receiver: Receiver;
  /** Of the project's database, `postgres://user:password@host:port/name`. */
  readonly databaseUrl: string;
  readonly version: string;
  /** Reads the code of a run. What it throws is reported; after a TransientError it is asked again, else there are no datasets. */
  readonly describe: (run: UntoldRun) => Promise<readonly KnownNode[]>;
  readonly onError: (error: unknown) => void;
}

/**
 * Tells an OpenLineage server of runs and steps, every 5 s until `stop`, from what PostgreSQL says of them: no run waits for
 * it, none is lost while the server is away for three days, and any number of workers may do so at once.
 */
export function watchLineage(options: LineageOptions): { stop(): Promise<void> } {
  return repeat(
    EVERY_MS,
    async (signal) => {
      await makeLineageEvents(options);
      await sendLineageEvents(options.database, options.receiver, { signal });
    },
    options.onError,
  );
}

/** Makes the events of what happened since, and keeps them. */
export async function makeLineageEvents({
  database,
  databaseUrl,
  version,
  describe,
  onError,
}: Omit<LineageOptions, 'receiver'>): Promise<void> {
  const { hostname, port, pathname } = new URL(databaseUrl);
  const at = { namespace: `postgres://${hostname}:${port || 5432}`, name: decodeURIComponent(pathname.slice(1)) };
  for (const run of await listUntold(database, RUNS_AT_ONCE)) {
    const { runId, env, project, options } = run;
    const nodes = await nodesOf(run, describe).catch((error: unknown) => {
      onError(error);
      // What passes is waited for; a run whose code cannot be read is told of without datasets.
      return error instanceof TransientError ? undefined : [];
    });
    if (nodes === undefined) continue;
    const root = typeof options['root'] === 'string' ? options['root'] : '/';
    const places = { database: at, root, namespace: 'plumbline', env, project };
    await addLineageEvents(
      database,
      runId,
      runEvents(run, { places, producer: `urn:plumbline:${version}`, version, nodes }),
    );
  }
}

async function nodesOf(run: UntoldRun, describe: LineageOptions['describe']): Promise<readonly KnownNode[]> {
  return run.untold.some(({ step }) => step !== '') ? describe(run) : [];
}
