import { randomBytes } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { forgetKey } from '../client/forget-key.js';
import { createRunTemplate, userName } from '../client/start-run.js';
import { workflowError } from '../client/workflow-error.js';
import { loadSettings } from '../config.js';
import type { ErasureResult } from '../contracts/erasure.js';
import { keyUnknown } from '../elt/forget/forget-key.js';
import { TerminalError } from '../errors.js';
import { loadProject } from '../project/load-project.js';
import { listErasures, recordErasure } from '../storage/erasures.js';
import { pc } from './colors.js';
import { table } from './format.js';
import { StepFailure } from './print-error.js';
import { withRunConnections } from './run-command.js';
import { sendBundle } from './send-bundle.js';
import { withProjectDatabase } from './with-database.js';

export interface ForgetCommandOptions {
  readonly key?: string;
  readonly reason?: string;
  readonly dryRun: boolean;
  readonly env: string;
  readonly json: boolean;
}

/** `plumbline forget`: records the key, has a worker delete its rows, and prints what went and what is left. */
export async function forgetCommand(options: ForgetCommandOptions): Promise<void> {
  if (options.key === undefined) return listForgotten(options);
  const { env, dryRun, json } = options;
  const { name, value } = await keyOf(options.key);
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env });
  if (!project.personal.some(({ key }) => key === name)) throw keyUnknown(project, name);
  await withRunConnections(settings, async ({ database, temporal }) => {
    const bundle = await sendBundle(settings, database, project.name);
    const template = await createRunTemplate(temporal, { env, project: project.name, bundle, root: settings.root, force: false }); // prettier-ignore
    const erasureId = randomBytes(4).toString('hex');
    const reason = options.reason === undefined ? {} : { reason: options.reason };
    await recordErasure(database, { erasureId, env, project: project.name, key: name, value, dryRun, requestedBy: userName(), ...reason }); // prettier-ignore
    try {
      const result = await forgetKey(temporal, { ...template, erasureId, key: name });
      print(json ? JSON.stringify(result, null, 2) : render(result));
    } catch (error) {
      const described = workflowError(error);
      throw described === undefined ? error : new StepFailure(described);
    }
  });
}

async function listForgotten({ env, json }: ForgetCommandOptions): Promise<void> {
  await withProjectDatabase(env, async ({ database, project }) => {
    const rows = await listErasures(database, env, project);
    if (json) return print(JSON.stringify(rows, null, 2));
    if (rows.length === 0) return print('nothing was forgotten');
    const lines = rows.map((row) => [
      row.erasure_id,
      row.key_name,
      row.key_hash.slice(0, 12),
      row.ended_at === null ? 'not done' : row.ended_at.slice(0, 16),
      row.requested_by,
      String(row.rows),
      row.reason ?? '',
    ]);
    print(table([['ID', 'KEY', 'HASH', 'DONE (UTC)', 'BY', 'ROWS', 'REASON'], ...lines]));
  });
}

async function keyOf(given: string): Promise<{ readonly name: string; readonly value: string }> {
  const [, name = '', written = ''] = /^([^=]+)=(.+)$/s.exec(given) ?? [];
  const value = written === '-' ? (await readAll(process.stdin)).trim() : written;
  if (name !== '' && value !== '') return { name, value };
  throw new TerminalError('FORGET_KEY_MALFORMED', 'Reading --key failed: expected a name, = and a value.', {
    next: 'Write `--key customer_id=42`, or `--key customer_id=-` and give the value on standard input.',
  });
}

function render({ erased, left, dryRun, erasureId }: ErasureResult): string {
  const rows = erased.map(({ kind, place, rows: count, outcome }) => [
    `  ${kind}`,
    place.replace(/ ([0-9a-f]{12})[0-9a-f]{52}$/, ' $1'),
    count.toLocaleString('en'),
    dryRun ? `would be ${outcome}` : outcome,
  ]);
  return [
    ...(rows.length === 0 ? ['no rows have it'] : [table([['WHERE', '', 'ROWS', ''], ...rows])]),
    pc.bold('left as it is'),
    ...left.map((line) => `  ${line}`),
    pc.dim(dryRun ? 'nothing was changed (--dry-run)' : `recorded as ${erasureId}; loads take out what comes again`),
  ].join('\n');
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
