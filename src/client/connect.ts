import { connect } from 'node:net';
import type { Client } from '@temporalio/client';
import type { Secret, Settings } from '../config.js';
import { TerminalError, TransientError } from '../errors.js';
import { CONNECTIONS } from '../storage/connection-budget.js';
import { openDatabase, type DatabaseOptions, type OpenDatabase } from '../storage/database.js';
import type { SharedStore } from '../model/artifact.js';
import { isFolder, openStore } from '../storage/open-store.js';
import { liveWorkers } from '../storage/workers.js';

/** A command says within 5 s that a server does not answer. */
const CONNECT_MS = 3_000;

/** PostgreSQL of the project in `settings`; throws NO_DATABASE when neither a URL nor a running stack is known. */
export function connectDatabase(settings: Settings, max: number = CONNECTIONS.command): OpenDatabase {
  return open(settings, settings.databaseUrl, { max, applicationName: 'plumbline cli' });
}

/** The same for serving, which may go through a pooler. */
export function connectServing(settings: Settings): OpenDatabase {
  const url = settings.pooledDatabaseUrl ?? settings.databaseUrl;
  return open(settings, url, { max: CONNECTIONS.serve, applicationName: 'plumbline serve', mayKeep: false });
}

function open(
  settings: Settings,
  url: Secret | undefined,
  options: Pick<DatabaseOptions, 'max' | 'applicationName' | 'mayKeep'>,
): OpenDatabase {
  if (url === undefined) {
    throw new TransientError(
      'NO_DATABASE',
      `Looking for the project's database failed: no embedded stack runs in ${settings.stateDir} and PLUMBLINE_DATABASE_URL is not set.`,
      {
        next: 'Start one with `plumbline up`, or set PLUMBLINE_DATABASE_URL.',
      },
    );
  }
  return openDatabase({ ...options, url: url.reveal(), connectTimeoutMs: CONNECT_MS });
}

export interface TemporalConnection {
  readonly client: Client;
  readonly namespace: string;
  close(): Promise<void>;
}

/** Connects and finds the namespace within 3 s or so, or throws TEMPORAL_UNREACHABLE. */
export async function connectTemporal(settings: Settings): Promise<TemporalConnection> {
  const { Client, Connection } = await import('@temporalio/client');
  const { namespace, connectionOptions, address } = settings.temporal;
  const deadline = Date.now() + CONNECT_MS;
  let connection: Awaited<ReturnType<typeof Connection.connect>> | undefined;
  try {
    connection = await Promise.race([
      Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_MS }),
      refusal(address),
    ]);
    const opened = connection;
    await opened.withDeadline(Math.max(deadline, Date.now() + 1_000), () =>
      opened.workflowService.describeNamespace({ namespace }),
    );
    return { client: new Client({ connection, namespace }), namespace, close: () => opened.close() };
  } catch (error) {
    await connection?.close();
    throw new TransientError(
      'TEMPORAL_UNREACHABLE',
      `Connecting to Temporal at ${address}, namespace ${namespace}, failed: ${reasonOf(error)}.`,
      {
        next:
          settings.temporal.embedded && !isUnknownNamespace(error)
            ? 'Start it with `plumbline up`.'
            : 'Check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and the TLS settings or the profile they come from.',
        cause: error,
      },
    );
  }
}

/** gRPC waits out its time where nobody listens: this fails at once there, and otherwise never ends. */
function refusal(address: string): Promise<never> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  return new Promise((_resolve, reject) => {
    // Behind a proxy the address need not be reachable from here.
    if (hasProxy() && !/^(127\.|::1$|localhost$)/.test(host)) return;
    const socket = connect({ host, port: Number(port || 7233), timeout: CONNECT_MS });
    socket.once('error', reject);
    for (const event of ['connect', 'timeout'] as const) socket.once(event, () => socket.destroy());
  });
}

function hasProxy(): boolean {
  return ['grpc_proxy', 'https_proxy', 'http_proxy'].some(
    (name) => process.env[name] ?? process.env[name.toUpperCase()],
  );
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.+$/, '');
}

function isUnknownNamespace(error: unknown): boolean {
  return (error as { code?: unknown }).code === 5; // NOT_FOUND of gRPC
}

/** Throws NO_WORKER when no worker of the queue has stamped itself lately; waits `graceMs` for one that is just starting. */
export async function requireWorker(database: OpenDatabase, queue: string, graceMs = 4_000): Promise<void> {
  const deadline = Date.now() + graceMs;
  for (;;) {
    const workers = await liveWorkers(database);
    if (workers.some((worker) => worker.queues.includes(queue))) return;
    if (Date.now() > deadline) {
      throw new TransientError(
        'NO_WORKER',
        `Looking for a worker of queue ${queue} found ${workers.length === 0 ? 'none' : 'only others'} alive.`,
        {
          next: 'Start one with `plumbline up` or `plumbline worker --queues default,heavy`.',
        },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/**
 * The artifact store of the settings, which must be the one that the living workers see: what a command puts there they read.
 * Throws `STORE_DIFFERS` (terminal); `NO_WORKER` where the store is a folder and Temporal a server of others.
 */
export async function requireSharedStore(settings: Settings, database: OpenDatabase): Promise<SharedStore> {
  // Which folder the workers of another machine see, only one of them can tell.
  if (isFolder(settings) && !settings.temporal.embedded) await requireWorker(database, 'default');
  const store = openStore(settings);
  const id = await store.identity();
  const other = (await liveWorkers(database)).find((worker) => worker.store_id !== null && worker.store_id !== id);
  if (other === undefined) return store;
  throw new TerminalError(
    'STORE_DIFFERS',
    `The artifact store here is ${store.place}, but the worker ${other.pid} on ${other.host} has another one: ${other.store}.`,
    {
      details: { here: store.place, worker: other.worker_id, there: other.store },
      next: 'Set PLUMBLINE_STORE to the same place for commands, workers and serving: s3://bucket/prefix, or one folder that all of them mount.',
    },
  );
}

/** Names of the namespace's own search attributes; empty where the server does not tell. */
export async function knownSearchAttributes(connection: TemporalConnection): Promise<string[]> {
  try {
    const answer = await connection.client.connection.operatorService.listSearchAttributes({
      namespace: connection.namespace,
    });
    return Object.keys(answer.customAttributes ?? {});
  } catch {
    return [];
  }
}
