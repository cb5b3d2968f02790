import { join } from 'node:path';
import { loadSettings, readStackState, type PartName, type Settings, type StackState } from '../config.js';
import { postgresIsReady } from './postgres.js';
import { isAlive } from './processes/process-identity.js';
import { ownServingIsLive } from './serving-part.js';
import { ownTemporalIsReady } from './temporal-part.js';

export interface PartStatus {
  readonly name: PartName;
  /** `external`: the environment names a server of the user's own. */
  readonly state: 'running' | 'starting' | 'restarting' | 'stopped' | 'external';
  readonly pid?: number;
  /** Where it answers: `host:port` or a URL. */
  readonly address?: string;
  /** Times it was started again since `up`. */
  readonly restarts: number;
  readonly log: string;
  /** How it ended the last time. */
  readonly message?: string;
}

export interface StackStatus {
  readonly root: string;
  /** Whether a supervisor keeps the stack running and every part of it is up. */
  readonly running: boolean;
  readonly supervisor?: number;
  readonly parts: readonly PartStatus[];
  readonly temporalUiUrl?: string;
  readonly servingUrl?: string;
  /** What a reader should know: where data is, which program is used. */
  readonly notes: readonly string[];
}

/** What runs of the stack of `root` now, asked of the parts themselves. Starts and changes nothing. */
export async function stackStatus(options: {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<StackStatus> {
  const settings = await loadSettings({ cwd: options.root, env: options.env });
  const state = await readStackState(settings.stateDir);
  const supervisor =
    state?.supervisor !== undefined && (await isAlive(state.supervisor)) ? state.supervisor.pid : undefined;
  const parts = await Promise.all(
    (['postgres', 'temporal', 'worker', 'serving'] as const)
      .filter((name) => name !== 'serving' || state?.parts.serving !== undefined || supervisor === undefined)
      .map((name) => partStatus(name, settings, state)),
  );
  return {
    root: settings.root,
    running: supervisor !== undefined && parts.every((part) => part.state === 'running' || part.state === 'external'),
    ...(supervisor === undefined ? {} : { supervisor }),
    parts,
    ...(settings.temporalUiUrl === undefined ? {} : { temporalUiUrl: settings.temporalUiUrl }),
    servingUrl: settings.serving.url,
    notes: notesOf(settings, state),
  };
}

async function partStatus(name: PartName, settings: Settings, state: StackState | undefined): Promise<PartStatus> {
  const recorded = state?.parts[name];
  const address = addressOf(name, settings, state);
  const shared = {
    name,
    restarts: recorded?.restarts ?? 0,
    log: join(settings.logsDir, `${name}.log`),
    ...(address === undefined ? {} : { address }),
  };
  if (name === 'postgres' && !settings.databaseEmbedded) return { ...shared, state: 'external' };
  if (name === 'temporal' && !settings.temporal.embedded) return { ...shared, state: 'external' };
  if (recorded?.process === undefined || !(await isAlive(recorded.process))) {
    return { ...shared, state: recorded?.state === 'restarting' ? 'restarting' : 'stopped', ...messageOf(recorded) };
  }
  const answers = recorded.state === 'running' && (await partAnswers(name, settings, state));
  return { ...shared, state: answers ? 'running' : 'starting', pid: recorded.process.pid, ...messageOf(recorded) };
}

function messageOf(recorded: { readonly message?: string | undefined } | undefined): { message?: string } {
  return recorded?.message === undefined ? {} : { message: recorded.message };
}

/** The worker has no address: its process and the supervisor's word are what there is. */
async function partAnswers(name: PartName, settings: Settings, state: StackState | undefined): Promise<boolean> {
  const recorded = state?.parts[name]?.process;
  if (state === undefined || recorded === undefined) return false;
  const { ports, postgres } = state;
  switch (name) {
    case 'postgres':
      return postgres !== undefined && postgresIsReady(postgres.dataDir, recorded);
    case 'temporal':
      return ownTemporalIsReady(recorded.pid, ports, settings.temporal.namespace);
    case 'serving':
      return ports.serving !== undefined && ownServingIsLive(recorded.pid, ports.serving);
    case 'worker':
      return true;
  }
}

function addressOf(name: PartName, settings: Settings, state: StackState | undefined): string | undefined {
  switch (name) {
    case 'postgres':
      if (!settings.databaseEmbedded) return settings.databaseUrl && hostOf(settings.databaseUrl.reveal());
      return state?.ports.postgres === undefined ? undefined : `127.0.0.1:${state.ports.postgres}`;
    case 'temporal':
      return settings.temporal.address;
    case 'serving':
      return settings.serving.url;
    case 'worker':
      return undefined;
  }
}

/** Without user and password. */
function hostOf(databaseUrl: string): string | undefined {
  return URL.canParse(databaseUrl) ? new URL(databaseUrl).host : undefined;
}

function notesOf(settings: Settings, state: StackState | undefined): string[] {
  return [
    ...(state?.postgres?.note === undefined ? [] : [state.postgres.note]),
    ...(settings.temporal.embedded && state?.temporal !== undefined
      ? [`Temporal program: ${state.temporal.path} (${state.temporal.source})`]
      : []),
  ];
}
