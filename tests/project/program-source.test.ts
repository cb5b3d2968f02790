import { describe, expect, it } from 'vitest';
import { TerminalError } from '../../src/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const project = async (source: string) =>
  loadProject({
    root: await writeProject({
      'plumbline.yaml': `name: shop\nsources:\n${source}`,
      'sources/api.py': '',
      'sources/api.ts': '',
    }),
  });
const problemsOf = async (source: string): Promise<string> => {
  const error: unknown = await project(source).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  return (error.details['problems'] as { code: string; message: string; at: { line: number } }[])
    .map(({ code, message, at }) => `${code} ${at.line} ${message}`)
    .join('\n');
};

describe('a source that is code of the project', () => {
  it('has every default filled in', async () => {
    const { resources, defaults } = await project(`
  api:
    type: python
    script: sources/api.py
    env: { TOKEN: env:API_TOKEN }
    config: { pages: { size: 100 } }
    resources:
      orders: { primary_key: id, config: { only: this } }
      items: { function: all_items, write: append, columns: { price: "numeric(38, 9)" } }
  own: { type: plugin, module: "@shop/source" }
`);
    expect(resources.map(({ id, write, path, program }) => ({ id, write, path, program }))).toEqual([
      { id: 'api.orders', write: 'merge', path: 'sources/api.py', program: { function: 'orders', env: { TOKEN: 'env:API_TOKEN' }, config: { only: 'this' } } },
      { id: 'api.items', write: 'append', path: 'sources/api.py', program: { function: 'all_items', env: { TOKEN: 'env:API_TOKEN' }, config: { pages: { size: 100 } } } },
      { id: 'own', write: 'replace', path: '@shop/source', program: { function: 'own', env: {}, config: {} } },
    ]); // prettier-ignore
    expect(resources[1]!.columns).toEqual({ price: 'numeric(38,9)' });
    expect(defaults).toContain('sources.api.resources.orders.write = merge (there is a primary_key)');
    expect(defaults).toContain('sources.api.resources.orders.python = .venv/bin/python if there is one, else python3');
    expect(defaults).toContain('sources.own.function = own');
  });

  it.each([
    ['{ type: python, script: ../api.py }', 'PROJECT_VALUE_INVALID', 'expected a file of the project such as sources/github.py'],
    ['{ type: python, script: api.py }', 'PROJECT_FILE_MISSING', 'sources.a.script names api.py, and there is no such file'],
    ['{ type: plugin, module: sources/no.ts }', 'PROJECT_FILE_MISSING', 'sources.a.module names sources/no.ts'],
    ['{ type: python }', 'PROJECT_KEY_MISSING', 'sources.a has no "script"'],
    ['{ type: python, script: sources/api.py, write: merge }', 'PROJECT_KEY_MISSING', 'no "primary_key"'],
    ['{ type: python, script: sources/api.py, env: { API_TOKEN: abc } }', 'PROJECT_SECRET_IN_FILE', 'sources.a.env.API_TOKEN is written out'],
    ['{ type: plugin, module: sources/api.ts, python: python3 }', 'PROJECT_KEY_UNKNOWN', 'has no key "python"'],
  ])('refuses %s', async (source, code, message) => {
    const problems = await problemsOf(`  a: ${source}\n`);
    expect(problems).toContain(`${code} 3 `);
    expect(problems).toContain(message);
  }); // prettier-ignore
});
