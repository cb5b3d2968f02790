import { mkdir } from 'node:fs/promises';
import {
  DATABASE_NAME,
  embeddedDatabaseUrl,
  loadSettings,
  readStackState,
  servingPortOf,
  type PartName,
  type Secret,
  type StackState,
} from '../config.js';
import { PipelineError } from '../errors.js';
import type { DatabaseTasks } from './database-tasks.js';
import { supervisePart, type PartDefinition, type SupervisedPart } from './part.js';
import { openPortBook } from './port-book.js';
import { postgresAccount } from './postgres-account.js';
import { postgresBinaries } from './postgres-binaries.js';
import { postgresPart } from './postgres-part.js';
import { dataFolder, findPostmaster, initialiseData } from './postgres.js';
import { endProcess } from './processes/end-process.js';
import { identify, isAlive, type ProcessIdentity } from './processes/process-identity.js';
import { endOrphans, STACK_VARIABLE, stackMark } from './processes/stack-processes.js';
import { servingPart } from './serving-part.js';
import { openStackFile } from './stack-file.js';
import { temporalPart } from './temporal-part.js';
import { workerPart } from './worker-part.js';

export interface SuperviseOptions {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  /** The script whose `worker` and `serve` commands run the other two parts. */
  readonly cli: string;
  /** The Temporal program and where it was found; undefined when the environment names a server. */
  readonly temporal?: { readonly path: string; readonly source: string };
  readonly serving: boolean;
  readonly database: DatabaseTasks;
  readonly log: (line: string) => void;
}

/**
 * Runs the parts of the stack until `signal` is aborted, then stops them in the opposite order. Parts that a killed
 * supervisor left running are watched instead of started again; other processes it left are ended.
 */
export async function supervise(options: SuperviseOptions, signal: AbortSignal): Promise<void> {
  const { root, env, log, database } = options;
  const settings = await loadSettings({ cwd: root, env });
  const { stateDir, logsDir } = settings;
  await mkdir(logsDir, { recursive: true });
  const before = await readStackState(stateDir);
  const own = await identify(process.pid);
  if (own === undefined) throw new Error('the system does not list this process');
  if (before?.supervisor !== undefined && before.supervisor.pid !== own.pid && (await isAlive(before.supervisor))) {
    log(`process ${before.supervisor.pid} supervises this stack already`);
    return;
  }

  const file = openStackFile(stateDir);
  let state: StackState = {
    version: 1,
    root,
    supervisor: own,
    ports: before?.ports ?? {},
    namespace: settings.temporal.namespace,
    ...(before?.postgres === undefined ? {} : { postgres: before.postgres }),
    ...(options.temporal === undefined ? {} : { temporal: options.temporal }),
    parts: {},
  };
  const update = (change: Partial<StackState>): Promise<void> => file.write((state = { ...state, ...change }));
  const ports = openPortBook(state.ports, (next) => void update({ ports: next }));
  const mark = stackMark(root);
  const partEnv = { ...env, [STACK_VARIABLE]: mark };
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

  const parts = new Map<PartName, SupervisedPart>();
  const adoptable = await livingParts(before);
  const begin = async (definition: PartDefinition, adopted?: ProcessIdentity): Promise<void> => {
    const { name } = definition;
    const afterEnd = async (): Promise<void> => {
      await definition.afterEnd?.();
      const living = [...parts.values()].flatMap((part) => part.state().process?.pid ?? []);
      const ended = await endOrphans(mark, [process.pid, ...living]);
      if (ended > 0) log(`ended ${ended} processes that ${name} left`);
    };
    const onChange = (next: StackState['parts'][PartName]): void =>
      void update({ parts: { ...state.parts, [name]: next } });
    const part = supervisePart(
      { ...definition, afterEnd },
      { log, onChange, ...(adopted === undefined ? {} : { adopted }) },
    );
    parts.set(name, part);
    await Promise.race([part.ready, aborted]);
  };

  const startPostgres = async (): Promise<Secret> => {
    const account = await postgresAccount({ bin: await postgresBinaries(), root, stateDir });
    const data = dataFolder(account);
    const password = await initialiseData(account, stateDir);
    await update({ postgres: { dataDir: data, ...(account.note === undefined ? {} : { note: account.note }) } });
    const running = await findPostmaster(data);
    if (running !== undefined) ports.set('postgres', running.port);
    // Not the caller's environment: PGDATA, TZ or LC_ALL would reach the server.
    const postgresEnv = { PATH: env['PATH'], [STACK_VARIABLE]: mark };
    await begin(postgresPart({ account, ports, logsDir, env: postgresEnv }), running?.process);
    const port = ports.get('postgres');
    if (port === undefined) throw new Error('PostgreSQL has no port');
    const admin = embeddedDatabaseUrl(port, password, 'postgres');
    await untilItWorks('creating the database', () => database.create(admin.reveal(), DATABASE_NAME));
    return embeddedDatabaseUrl(port, password);
  };

  const startTemporal = async (program: string): Promise<void> => {
    const { namespace } = settings.temporal;
    const definition = temporalPart({ program, namespace, ports, stateDir, logsDir, env: partEnv });
    await begin(definition, adoptable.get('temporal'));
  };

  const untilItWorks = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    for (let delay = 100; !signal.aborted; delay = Math.min(delay * 2, 5_000)) {
      try {
        await work();
        return;
      } catch (error) {
        log(`${what} failed: ${error instanceof Error ? error.message : String(error)}`);
        await Promise.race([aborted, new Promise((resolve) => setTimeout(resolve, delay))]);
      }
    }
  };

  const startAll = async (): Promise<void> => {
    await update({});
    const [databaseUrl] = await Promise.all([
      settings.databaseEmbedded ? startPostgres() : settings.databaseUrl,
      options.temporal === undefined ? undefined : startTemporal(options.temporal.path),
    ]);
    if (databaseUrl === undefined) throw new Error('no database');
    let applied: readonly string[] = [];
    await untilItWorks('migrating the database', async () => (applied = await database.migrate(databaseUrl.reveal())));
    if (signal.aborted) return;
    // A worker or prediction server that still runs knows the addresses and the tables it was started with.
    const moved =
      applied.length > 0 || (['postgres', 'temporal'] as const).some((name) => before?.ports[name] !== ports.get(name));
    for (const name of ['worker', 'serving'] as const) {
      const adopted = adoptable.get(name);
      if (adopted === undefined || (!moved && (name === 'worker' || options.serving))) continue;
      await endProcess(adopted, { graceMs: 25_000 });
      adoptable.delete(name);
    }
    const shared = { cli: options.cli, root, logsDir, env: partEnv };
    void begin(workerPart({ ...shared, databaseUrl, database }), adoptable.get('worker'));
    if (!options.serving) return;
    void begin(servingPart({ ...shared, ports, port: servingPortOf(env) }), adoptable.get('serving'));
  };

  const running = await findPostmasterOf(before);
  await endOrphans(mark, [process.pid, ...[...adoptable.values(), ...running].map(({ pid }) => pid)]);
  let failure: Error | undefined;
  const starting = startAll().catch((error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error));
    log(failure.stack ?? failure.message);
  });
  await Promise.race([aborted, starting.then(() => (failure === undefined ? aborted : undefined))]);
  log('stopping');
  await starting;
  const stop = (name: PartName): Promise<void> => parts.get(name)?.stop() ?? Promise.resolve();
  await Promise.all([stop('worker'), stop('serving')]);
  await Promise.all([stop('temporal'), stop('postgres')]);
  await endOrphans(mark, [process.pid]);
  const { supervisor: _supervisor, ...rest } = state;
  await file.write(failure === undefined ? rest : { ...rest, failure: describe(failure) });
  log('stopped');
  if (failure !== undefined) throw failure;
}

function describe(error: Error): NonNullable<StackState['failure']> {
  if (!(error instanceof PipelineError)) return { code: 'EMBEDDED_START_FAILED', message: error.message };
  const { code, message, next } = error;
  return { code, message, ...(next === undefined ? {} : { next }) };
}

/** Parts of an earlier supervisor that still run. PostgreSQL is found by its data folder instead. */
async function livingParts(before: StackState | undefined): Promise<Map<PartName, ProcessIdentity>> {
  const living = new Map<PartName, ProcessIdentity>();
  for (const name of ['temporal', 'worker', 'serving'] as const) {
    const recorded = before?.parts[name]?.process;
    if (recorded !== undefined && (await isAlive(recorded))) living.set(name, recorded);
  }
  return living;
}

async function findPostmasterOf(before: StackState | undefined): Promise<ProcessIdentity[]> {
  const running = before?.postgres === undefined ? undefined : await findPostmaster(before.postgres.dataDir);
  return running === undefined ? [] : [running.process];
}
