import { collectGarbage } from '../client/collect-garbage.js';
import { createRunTemplate, userName } from '../client/start-run.js';
import { workflowError } from '../client/workflow-error.js';
import { loadSettings } from '../config.js';
import type { GarbageCollectionResult } from '../contracts/garbage-collection.js';
import { loadProject } from '../project/load-project.js';
import { pc } from './colors.js';
import { bytes, table } from './format.js';
import { StepFailure } from './print-error.js';
import { withRunConnections } from './run-command.js';
import { sendBundle } from './send-bundle.js';

export interface GcOptions {
  readonly env: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** `plumbline gc`: done by a worker, followed to its end. */
export async function gcCommand({ env, dryRun, json }: GcOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env });
  await withRunConnections(settings, async ({ database, temporal }) => {
    const bundle = await sendBundle(settings, database, project.name);
    const template = await createRunTemplate(temporal, { env, project: project.name, bundle, root: settings.root, force: false }); // prettier-ignore
    try {
      const result = await collectGarbage(temporal, {
        ...template,
        retention: project.retention,
        startedBy: userName(),
        dryRun,
      });
      process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : render(result));
    } catch (error) {
      const described = workflowError(error);
      throw described === undefined ? error : new StepFailure(described);
    }
  });
}

const KEPT: Readonly<Record<string, string>> = {
  model: 'a registered model',
  lineage: 'what a registered model was made from',
  load: 'rows that are in a table',
  extract: 'raw data that is kept',
  run: 'a run or an outcome that is kept',
  code: 'code that is kept',
  recent: 'nothing, but used lately',
};

function render({ dryRun, expired, looked, kept, deleted, unfinished, stages }: GarbageCollectionResult): string {
  const rows = Object.entries(expired).filter(([, count]) => count > 0);
  const would = dryRun ? 'would go' : 'deleted';
  const amount = (of: { count: number; bytes: number }): string[] => [of.count.toLocaleString('en'), bytes(of.bytes)];
  const objects = [
    ['OBJECTS', '', ''],
    ['  looked at', ...amount(looked)],
    ...Object.entries(kept).map(([reason, of]) => [`  kept for ${KEPT[reason] ?? reason}`, ...amount(of)]),
    [`  ${would}`, ...amount(deleted)],
  ];
  const records = rows.map(([name, count]) => [`  ${name.replaceAll('_', ' ')} ${would}`, count.toLocaleString('en')]);
  return [
    table(objects),
    ...(rows.length === 0 ? [] : [table([['RECORDS', ''], ...records])]),
    ...(unfinished.count === 0 ? [] : [`unfinished writes removed: ${unfinished.count} (${bytes(unfinished.bytes)})`]),
    ...(stages === undefined || stages.length === 0 ? [] : [`stages dropped: ${stages.join(', ')}`]),
    ...(dryRun ? [pc.dim('nothing was changed (--dry-run)')] : []),
    '',
  ].join('\n');
}
