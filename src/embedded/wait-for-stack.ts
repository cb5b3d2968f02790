import { join } from 'node:path';
import { readStackState, type PartName, type Settings, type StackState } from '../config.js';
import { TransientError } from '../errors.js';
import { logTail } from './log-tail.js';
import { isAlive, type ProcessIdentity } from './processes/process-identity.js';

/** A part that ended this often before it was ever ready is not going to be. */
const HOPELESS_RESTARTS = 5;

/**
 * Waits until every part is ready, reporting each as it becomes so. Throws `EMBEDDED_START_FAILED`, or the supervisor's
 * own error, as soon as that cannot happen any more.
 */
export async function waitForStack(options: {
  readonly settings: Settings;
  readonly supervisor: ProcessIdentity;
  readonly serving: boolean;
  readonly timeoutMs: number;
  readonly report: (line: string) => void;
}): Promise<void> {
  const { settings, supervisor, report } = options;
  const deadline = Date.now() + options.timeoutMs;
  const reported = new Set<PartName>();
  const expected: PartName[] = [
    ...(settings.databaseEmbedded ? (['postgres'] as const) : []),
    ...(settings.temporal.embedded ? (['temporal'] as const) : []),
    'worker',
    ...(options.serving ? (['serving'] as const) : []),
  ];
  for (;;) {
    const isSupervised = await isAlive(supervisor);
    const found = await readStackState(settings.stateDir);
    // Before the new supervisor has written its first state, the file tells of an earlier one.
    const state = found?.supervisor?.pid === supervisor.pid ? found : undefined;
    for (const name of expected) {
      if (reported.has(name) || state?.parts[name]?.state !== 'running') continue;
      reported.add(name);
      report(`${name.padEnd(9)} ready${addressOf(name, state)}`);
    }
    if (isSupervised && reported.size === expected.length) return;
    if (!isSupervised) throw await supervisorEnded(settings, found);
    const waiting = expected.filter((name) => !reported.has(name));
    const hopeless = waiting.find((name) => (state?.parts[name]?.restarts ?? 0) >= HOPELESS_RESTARTS);
    if (hopeless !== undefined) throw await partFailed(settings, hopeless, state, 'ends again and again');
    if (Date.now() > deadline && waiting[0] !== undefined) {
      throw await partFailed(settings, waiting[0], state, `was not ready in ${options.timeoutMs / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function addressOf(name: PartName, { ports }: StackState): string {
  if (name === 'postgres') return `   127.0.0.1:${ports.postgres}`;
  if (name === 'temporal') return `   http://127.0.0.1:${ports.temporalUi}`;
  return name === 'serving' ? `   http://127.0.0.1:${ports.serving}` : '';
}

async function supervisorEnded(settings: Settings, state: StackState | undefined): Promise<Error> {
  const log = join(settings.logsDir, 'supervisor.log');
  const failure = state?.failure;
  if (failure !== undefined) {
    return new TransientError(failure.code, failure.message, {
      details: { log },
      next: failure.next ?? `Read ${log}.`,
    });
  }
  const ending = await endOf(log);
  return new TransientError(
    'EMBEDDED_START_FAILED',
    `Starting the stack failed: its supervisor ended. ${log} ends with: ${ending}`,
    { details: { log }, next: `Read ${log}, then run \`plumbline up\` again.` },
  );
}

async function partFailed(
  settings: Settings,
  name: PartName,
  state: StackState | undefined,
  how: string,
): Promise<Error> {
  const part = state?.parts[name];
  const log = join(settings.logsDir, `${name}.log`);
  const reason = part?.message === undefined ? '' : ` (it ${part.message})`;
  return new TransientError(
    'EMBEDDED_START_FAILED',
    `Starting ${name} failed: it ${how}${reason}. ${log} ends with: ${await endOf(log)}`,
    {
      details: { part: name, log, restarts: part?.restarts ?? 0 },
      next: `Read ${log}, then run \`plumbline up\` again.`,
    },
  );
}

/** What a command prints when it fails is three lines. */
async function endOf(log: string): Promise<string> {
  const lines = await logTail(log, 3);
  return lines.length === 0 ? 'nothing' : lines.map((line) => line.trim().slice(0, 300)).join(' / ');
}
