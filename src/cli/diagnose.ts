import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { PipelineError } from '../errors.js';
import type { Settings } from '../config.js';
import { resolveTemporalBinary } from '../embedded/binaries/resolve-binary.js';
import { stackStatus } from '../embedded/stack-status.js';
import { servingIsLive } from '../embedded/serving-part.js';
import { projectName } from '../project/project-name.js';
import { checkTemporal } from './check-servers.js';
import { checkAlerts, checkConnections, checkPooler, checkPostgres, START, withDatabase } from './database-checks.js';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do; only for a check that failed. */
  readonly next?: string;
}

const LEAST_NODE = [20, 19] as const;
const LEAST_FREE_BYTES = 2 * 2 ** 30;

/** The checks of `doctor`, started together and given in the order in which one thing needs the other. */
export function diagnose(settings: Settings, env: NodeJS.ProcessEnv): readonly Promise<Check>[] {
  const { pooledDatabaseUrl } = settings;
  return [
    node(),
    attempt('project', () => project(settings)),
    attempt('disk', () => disk(settings)),
    attempt('temporal program', () => temporalProgram(settings, env)),
    attempt('stack', () => stack(settings, env)),
    attempt('postgres', () => checkPostgres(settings)),
    attempt('connections', () => checkConnections(settings)),
    ...(pooledDatabaseUrl === undefined ? [] : [attempt('pooler', () => checkPooler(pooledDatabaseUrl))]),
    attempt('temporal', () => temporal(settings)),
    attempt('worker', () => worker(settings)),
    attempt('serving', () => serving(settings)),
    attempt('alerts', () => checkAlerts(settings)),
  ];
}

async function node(): Promise<Check> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const found = `${process.version} on ${process.platform}-${process.arch}`;
  return ok
    ? { name: 'node', ok, found }
    : { name: 'node', ok, found, next: `Install Node ${LEAST_NODE.join('.')} or newer.` };
}

async function project({ root }: Settings): Promise<Omit<Check, 'name'>> {
  return { ok: true, found: `${await projectName(root)} in ${root}` };
}

async function disk({ stateDir, root }: Settings): Promise<Omit<Check, 'name'>> {
  const { bavail, bsize } = await statfs(existsSync(stateDir) ? stateDir : root);
  const free = bavail * bsize;
  const found = `${(free / 2 ** 30).toFixed(1)} GiB free for ${stateDir}`;
  if (free >= LEAST_FREE_BYTES) return { ok: true, found };
  return { ok: false, found, next: `Make room: data, histories and models of ${root} are kept there.` };
}

/** Looks only where no network is needed: `doctor` answers at once. */
async function temporalProgram(settings: Settings, env: NodeJS.ProcessEnv): Promise<Omit<Check, 'name'>> {
  if (!settings.temporal.embedded) return { ok: true, found: `not needed: the server is ${settings.temporal.address}` };
  try {
    const { path, source } = await resolveTemporalBinary({ env, fetchers: [] });
    return { ok: true, found: `${path} (${source})` };
  } catch (error) {
    if (!(error instanceof PipelineError) || error.code !== 'EMBEDDED_BINARY_NOT_FOUND') throw error;
    return {
      ok: false,
      found: 'not on this machine yet',
      next: '`plumbline up` fetches it, or set TEMPORAL_CLI_PATH.',
    };
  }
}

async function stack(settings: Settings, env: NodeJS.ProcessEnv): Promise<Omit<Check, 'name'>> {
  if (!settings.databaseEmbedded && !settings.temporal.embedded) {
    return { ok: true, found: 'not needed: the environment names PostgreSQL and Temporal' };
  }
  const { running, parts, supervisor } = await stackStatus({ root: settings.root, env });
  const ports = parts.flatMap(({ name, state, address }) =>
    state === 'running' && address ? [`${name} ${address}`] : [],
  );
  if (running) return { ok: true, found: `supervised by process ${supervisor}: ${ports.join(', ')}` };
  const down = parts.filter(({ state }) => state !== 'running' && state !== 'external');
  return {
    ok: false,
    found: supervisor === undefined ? 'no supervisor runs' : `not running: ${down.map(({ name }) => name).join(', ')}`,
    next: supervisor === undefined ? START : `Read ${down.map(({ log }) => log).join(', ')}.`,
  };
}

async function temporal(settings: Settings): Promise<Omit<Check, 'name'>> {
  const { version } = await checkTemporal(settings.temporal);
  const { address, namespace } = settings.temporal;
  return { ok: true, found: `answers at ${address}, namespace ${namespace}, version ${version}` };
}

async function worker({ databaseUrl }: Settings): Promise<Omit<Check, 'name'>> {
  if (databaseUrl === undefined) return { ok: false, found: 'unknown without a database', next: START };
  return withDatabase(databaseUrl, async (database) => {
    const { liveWorkers } = await import('../storage/workers.js');
    const workers = await liveWorkers(database, 10);
    if (workers.length === 0)
      return { ok: false, found: 'none was seen in the last 10 s', next: `${START} Or run \`plumbline worker\`.` };
    return {
      ok: true,
      found: workers.map(({ host, pid, queues }) => `${host} ${pid} (${queues.join(', ')})`).join('; '),
    };
  });
}

async function serving({ serving: { url } }: Settings): Promise<Omit<Check, 'name'>> {
  if (await servingIsLive(url)) return { ok: true, found: `answers at ${url}` };
  return { ok: false, found: `no answer at ${url}`, next: `${START} Or run \`plumbline serve\`.` };
}

async function attempt(name: string, check: () => Promise<Omit<Check, 'name'>>): Promise<Check> {
  try {
    return { name, ...(await check()) };
  } catch (error) {
    const next = error instanceof PipelineError ? error.next : undefined;
    const found = error instanceof Error ? error.message : String(error);
    return { name, ok: false, found, next: next ?? 'Run it again with --verbose.' };
  }
}
