import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import { sourceFreshness, type SourceFreshness } from '../elt/freshness/source-freshness.js';
import type { FreshnessConfig } from '../model/project.js';
import { loadProject } from '../project/load-project.js';
import { pc } from './colors.js';
import { table } from './format.js';
import { EXIT } from './print-error.js';

const MARK = { pass: pc.green('✓'), warn: pc.yellow('!'), error: pc.red('✗') } as const;

/** `plumbline freshness`. Exits 1 when a source is older than `error_after`. */
export async function freshnessCommand(
  resources: readonly string[],
  options: { readonly env: string; readonly json: boolean },
): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  const asked = resources.length === 0 ? project.freshness : resources.map((name) => find(name, project.freshness));
  const database = connectDatabase(settings, 1);
  try {
    const found: SourceFreshness[] = [];
    for (const config of asked) found.push(await sourceFreshness(database, project, config));
    if (found.some(({ status }) => status === 'error')) process.exitCode = EXIT.failed;
    process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : render(found));
  } finally {
    await database.close();
  }
}

function find(name: string, known: readonly FreshnessConfig[]): FreshnessConfig {
  const found = known.find(({ resource }) => resource === name);
  if (found !== undefined) return found;
  throw new TerminalError(
    'ELT_FRESHNESS_UNKNOWN',
    `Looking how fresh ${name} is failed: no \`freshness\` is set for it.`,
    {
      next:
        known.length === 0
          ? 'Add `freshness: { warn_after: 12h, error_after: 1d }` to a source.'
          : `Name one of ${known.map(({ resource }) => resource).join(', ')}, or add \`freshness\` to it.`,
    },
  );
}

function render(found: readonly SourceFreshness[]): string {
  if (found.length === 0) return 'no source has `freshness` set\n';
  const rows = found.map(({ status, message, newest = '' }) => [`${MARK[status]} ${status}`, message, newest]);
  return `${table(rows)}\n`;
}
