import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

const SHARED = ['model', 'table', 'errors', 'failpoint', 'hide-parameters'];
/** What a folder (or a file at the top) may import from elsewhere in src; its own folder always. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: ['hide-parameters'],
  'hide-parameters': [],
  failpoint: [],
  version: [],
  'state-folder': [],
  model: ['errors'],
  table: ['model', 'errors'],
  contracts: ['model'],
  config: ['errors', 'model'],
  s3: ['errors'],
  storage: [...SHARED, 's3'],
  alerts: [...SHARED, 'storage'],
  openlineage: [...SHARED, 'storage'],
  elt: [...SHARED, 's3'],
  features: SHARED,
  training: SHARED,
  deployment: SHARED,
  retention: SHARED,
  project: [...SHARED, 's3', 'state-folder'],
  serving: [...SHARED, 'deployment', 'storage'],
  embedded: [...SHARED, 'config', 'storage', 'state-folder'],
  // Types only: the bundler would otherwise pull zod and the activities' world into the sandbox.
  workflows: ['contracts', 'activities', 'model'],
  activities: [
    ...SHARED,
    's3',
    'contracts',
    'project',
    'elt',
    'features',
    'training',
    'deployment',
    'retention',
    'storage',
  ],
  client: [...SHARED, 'config', 'contracts', 'storage', 'project'],
  cli: [
    ...SHARED,
    's3',
    'config',
    'contracts',
    'client',
    'project',
    'elt',
    'storage',
    'embedded',
    'version',
    'worker',
    'serving',
    'deployment',
    'alerts',
  ],
  worker: [
    'activities',
    'alerts',
    'client',
    'config',
    'contracts',
    'errors',
    'openlineage',
    'storage',
    'version',
    'model',
  ],
  index: ['client', 'contracts', 'model', 'errors', 'project', 'config'],
};
const DRIVERS = ['knex', 'pg', 'pg-copy-streams'];
const TEMPORAL_FREE = [
  'model',
  'table',
  'elt',
  'features',
  'training',
  'deployment',
  's3',
  'storage',
  'project',
  'retention',
  'serving',
  'alerts',
  'openlineage',
];

interface Import {
  readonly file: string;
  readonly from: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

function imports(): Import[] {
  return [...sources(SRC)].flatMap((path) => {
    const file = relative(SRC, path).replaceAll('\\', '/');
    const from = areaOf(file);
    const pattern =
      /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^'";]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g;
    return [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, type, named, dynamic, bare]) => {
      const target = named ?? dynamic ?? bare ?? '';
      return { file, from, target, typeOnly: type !== undefined };
    });
  });
}

function areaOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '');
}

function internalArea({ file, target }: Import): string | undefined {
  if (!target.startsWith('.')) return undefined;
  return areaOf(
    relative(SRC, resolve(SRC, dirname(file), target))
      .replaceAll('\\', '/')
      .replace(/\.js$/, '.ts'),
  );
}

describe('imports', () => {
  const all = imports();

  it('are found at all', () => {
    expect(all.length).toBeGreaterThan(100);
  });

  it('follow the arrows between folders', () => {
    const wrong = all.flatMap((one) => {
      const area = internalArea(one);
      if (area === undefined || area === one.from || area === '..') return [];
      return ALLOWED[one.from]?.includes(area) ? [] : [`${one.file} imports ${one.target} (${one.from} → ${area})`];
    });
    expect(wrong).toEqual([]);
  });

  it('reach the database drivers from storage only', () => {
    const wrong = all.filter(({ from, target }) => from !== 'storage' && DRIVERS.includes(target));
    expect(wrong).toEqual([]);
  });

  it('keep Temporal out of the stages', () => {
    const wrong = all.filter(({ from, target }) => TEMPORAL_FREE.includes(from) && target.startsWith('@temporalio/'));
    expect(wrong).toEqual([]);
  });

  it('of workflows reach other folders by type, names, ids and plurals excepted', () => {
    const wrong = all.filter(
      (one) =>
        one.from === 'workflows' &&
        !one.typeOnly &&
        ['activities', 'contracts', 'model'].includes(internalArea(one) ?? '') &&
        !/(contracts\/(queues|step-names)|model\/plural)\.js$/.test(one.target),
    );
    expect(wrong).toEqual([]);
  });

  it('do not reach worker.ts except to start it', () => {
    const wrong = all.filter((one) => internalArea(one) === 'worker' && one.file !== 'cli/commands/worker.ts');
    expect(wrong).toEqual([]);
  });
});
