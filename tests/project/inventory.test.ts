import { describe, expect, it } from 'vitest';
import { createPlan } from '../../src/activities/run-plan.js';
import { loadInputs } from '../../src/activities/fingerprint.js';
import { TerminalError } from '../../src/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const files = {
  'inventory/a.sql': "SELECT 'https://example.org/' || id AS url FROM {{ source('site', 'list') }}",
  'inventory/b.sql': "SELECT 'https://example.org/' || id AS url FROM {{ source('site', 'pages') }}",
  'parsers/page.mjs': "import { read } from './read.mjs';\nexport default read;",
  'parsers/read.mjs': 'export const read = function* () {};',
};
const load = async (source: string, more: Record<string, string> = {}) =>
  loadProject({ root: await writeProject({ ...files, ...more, 'plumbline.yaml': `name: shop\nsources:\n${source}` }) });

const problemsOf = async (source: string, more: Record<string, string> = {}): Promise<string> => {
  const error: unknown = await load(source, more).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  return (error.details['problems'] as { code: string; message: string; at: { line: number } }[])
    .map(({ code, message, at }) => `${code} ${at.line} ${message}`)
    .join('\n');
};

const site = (pages: string): string =>
  `  site:\n    headers: { User-Agent: 'me me@example.org' }\n    rate_limit: 600/m\n    resources:\n      pages: ${pages}\n      list: { path: list.csv }\n`;

describe('a resource with an inventory', () => {
  it('has its SELECT, its parser with what that imports, and every default', async () => {
    const project = await load(site('{ inventory: inventory/a.sql, parse: parsers/page.mjs }'));
    expect(project.resources[0]).toMatchObject({
      id: 'site.pages',
      path: 'inventory/a.sql',
      format: 'ndjson',
      write: 'replace',
      parse: { file: 'parsers/page.mjs', digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      inventory: {
        query: { name: 'a', file: 'inventory/a.sql', sql: files['inventory/a.sql'] },
        headers: { 'User-Agent': 'me me@example.org' },
        intervalMs: 100,
        maxMissingShare: 0,
      },
    });
    expect(project.defaults).toContain('sources.site.resources.pages.write = replace (the table is what the inventory names)'); // prettier-ignore
    expect(project.defaults).toContain('sources.site.resources.pages.max_missing = 0');
    const other = await load(site('{ inventory: inventory/a.sql, parse: parsers/page.mjs }'), { 'parsers/read.mjs': 'export const read = () => [];' }); // prettier-ignore
    const inputs = [project, other].map(({ resources }) => loadInputs(resources[0]!, []));
    expect(Object.keys(inputs[0]!).filter((name) => inputs[0]![name] !== inputs[1]![name])).toEqual(['parsers/page.mjs']); // prettier-ignore
  });

  it('is loaded after what it reads, and after the one before it that names the same', async () => {
    const project = await load(`${site('{ inventory: inventory/a.sql }')}      more: { inventory: inventory/a.sql }\n`);
    const { resources, resourcesAfter } = createPlan(project, {});
    expect(resources).toEqual(['site.list', 'site.pages', 'site.more']);
    expect(resourcesAfter).toEqual({ 'site.pages': ['site.list'], 'site.more': ['site.list', 'site.pages'] });
    expect(createPlan(await load('  list: { path: list.csv }\n'), {})).not.toHaveProperty('resourcesAfter');
  });

  it.each([
    ['inventory/b.sql', {}, 'ELT_INVENTORY_READS'],
    ['inventory/c.sql', { 'inventory/c.sql': "SELECT * FROM {{ ref('t') }}", 'sql/t.sql': 'SELECT 1 AS url' }, 'ELT_INVENTORY_READS'], // prettier-ignore
    ['inventory/c.sql', { 'inventory/c.sql': "SELECT * FROM {{ source('nothing') }}" }, 'SQL_UNKNOWN_REF'],
    ['inventory/c.sql', { 'inventory/c.sql': 'DELETE FROM x' }, 'ELT_SQL_NOT_A_SELECT'],
  ])('cannot be planned when %s %j: %s', async (file, more, code) => {
    const project = await load(site(`{ inventory: ${file} }`), more);
    expect(() => createPlan(project, {})).toThrow(expect.objectContaining({ code }));
  });

  it('cannot wait in a circle', async () => {
    const project = await load(
      `${site('{ inventory: inventory/b2.sql }')}      more: { inventory: inventory/b.sql }\n`,
      {
        'inventory/b2.sql': "SELECT * FROM {{ source('site', 'more') }}",
      },
    );
    expect(() => createPlan(project, {})).toThrow(expect.objectContaining({ code: 'ELT_INVENTORY_CYCLE' }));
  });

  it('a plain URL has headers and a rate too, beside a file that has none', async () => {
    const web = `  web:\n    headers: { User-Agent: me }\n    rate_limit: 4/s\n    resources:\n      a: { path: https://x.org/a.csv }\n      b: { path: b.csv }\n`;
    const { resources } = await load(web);
    expect(resources.map(({ id, requests }) => [id, requests])).toEqual([
      ['web.a', { headers: { 'User-Agent': 'me' }, intervalMs: 250 }],
      ['web.b', undefined],
    ]);
  });

  it.each([
    [site('{ inventory: inventory/none.sql }'), /PROJECT_FILE_MISSING 7 .*inventory\/none.sql/],
    [site('{ inventory: inventory/a.sql, path: x.csv }'), /PROJECT_VALUE_INVALID 7 .*an inventory and a path/],
    [site('{ inventory: ../a.sql }'), /PROJECT_VALUE_INVALID 7 .*an SQL file of the project/],
    ['  x: { path: x.grid, parse: parsers/none.mjs }\n', /PROJECT_FILE_MISSING 3 .*parsers\/none.mjs/],
    ['  x: { path: x.grid, parse: parsers/page.py }\n', /PROJECT_VALUE_INVALID 3 .*a module of the project/],
    [
      '  x: { path: x.grid, parse: parsers/page.mjs, format: csv }\n',
      /PROJECT_VALUE_INVALID 3 .*a parser and `format`/,
    ],
    ['  list: { path: list.csv, rate_limit: 1/s }\n', /PROJECT_VALUE_INVALID 3 .*`rate_limit` and neither a URL nor/],
    [
      '  x: { path: http://x.org/a.csv, max_missing: 1% }\n',
      /PROJECT_VALUE_INVALID 3 .*`max_missing` and no inventory/,
    ],
    ['  list: { primary_key: id }\n', /PROJECT_KEY_MISSING 3 .*no "path"/],
  ])('is refused: %s', async (source, problem) => {
    expect(await problemsOf(source)).toMatch(problem);
  });
});
