import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { loadSettings, type Settings } from '../config.js';
import { down } from '../embedded/down.js';
import { stackStatus, type PartStatus, type StackStatus } from '../embedded/stack-status.js';
import { up } from '../embedded/up.js';
import { counted } from '../model/plural.js';
import { PROJECT_FILE } from '../project/load-project.js';
import { projectName } from '../project/project-name.js';
import { pc } from './colors.js';
import { checkDatabase, checkTemporal } from './check-servers.js';
import { EXIT } from './print-error.js';

export async function upCommand(options: { reset: boolean; serving: boolean; json: boolean }): Promise<void> {
  const { env } = process;
  const settings = await loadSettings({ cwd: process.cwd(), env, ignoreDamage: options.reset });
  // The prediction server serves a project: without one it would end again and again.
  if (options.serving) await projectName(settings.root);
  await checkExternal(settings);
  const report = options.json ? () => {} : (line: string) => void process.stderr.write(`${pc.dim(line)}\n`);
  const { root } = settings;
  const status = await up({ root, env, reset: options.reset, serving: options.serving }, report);
  if (options.json) printJson(status);
  else process.stdout.write(`${renderStatus(status)}\nStop it with: plumbline down\n`);
}

export async function downCommand(options: { json: boolean }): Promise<void> {
  const { root, stateDir } = await loadSettings({ cwd: process.cwd(), env: process.env, ignoreDamage: true });
  // Without either there is nothing to stop: the command was given in a wrong folder.
  if (!existsSync(stateDir) && !existsSync(join(root, PROJECT_FILE))) await projectName(root);
  const report = (line: string): void => void process.stderr.write(`${pc.dim(line)}\n`);
  const result = await down({ root, env: process.env }, report);
  if (options.json) printJson(result);
  else
    process.stdout.write(
      result.stopped ? `stopped; data is kept in ${result.data.join(' and ')}\n` : 'nothing was running\n',
    );
}

export async function statusCommand(options: { json: boolean }): Promise<void> {
  const { root } = await loadSettings({ cwd: process.cwd(), env: process.env });
  const status = await stackStatus({ root, env: process.env });
  if (options.json) printJson(status);
  else process.stdout.write(`${renderStatus(status)}\n`);
  if (!status.running) {
    if (!options.json) process.stdout.write('Start it with: plumbline up\n');
    process.exitCode = EXIT.unreachable;
  }
}

/** Servers of the user's own are asked first: waiting for them later would only say that the stack is not ready. */
async function checkExternal(settings: Settings): Promise<void> {
  if (!settings.databaseEmbedded && settings.databaseUrl !== undefined) await checkDatabase(settings.databaseUrl);
  if (!settings.temporal.embedded) await checkTemporal(settings.temporal);
}

function renderStatus(status: StackStatus): string {
  const rows = status.parts.map(
    (part) =>
      `  ${mark(part)} ${part.name.padEnd(9)} ${part.state.padEnd(10)} ${(part.address ?? '').padEnd(24)} ${detail(part)}`,
  );
  const lines = [`${status.root} · ${status.running ? 'running' : 'not running'}`, ...rows];
  if (status.running && status.temporalUiUrl !== undefined) lines.push(`  Temporal UI ${status.temporalUiUrl}`);
  return [...lines, ...status.notes.map((note) => `  ${note}`)].map((line) => line.trimEnd()).join('\n');
}

function mark({ state }: PartStatus): string {
  if (state === 'running' || state === 'external') return pc.green('✓');
  return state === 'stopped' ? pc.red('✗') : pc.yellow('…');
}

function detail({ pid, restarts, state, log }: PartStatus): string {
  if (state === 'external') return '';
  const words = [
    ...(pid === undefined ? [] : [`process ${pid}`]),
    ...(restarts === 0 ? [] : [counted(restarts, 'restart')]),
    relative(process.cwd(), log),
  ];
  return pc.dim(words.join(' · '));
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
