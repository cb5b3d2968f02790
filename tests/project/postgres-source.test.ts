import { describe, expect, it } from 'vitest';
import { fingerprint, loadInputs } from '../../src/activities/fingerprint.js';
import { TerminalError } from '../../src/errors.js';
import { loadProject } from '../../src/project/load-project.js';
import { writeProject } from './write-project.js';

const project = async (source: string) =>
  loadProject({ root: await writeProject({ 'plumbline.yaml': `name: shop\nsources:\n  shop: ${source}\n` }) });
const problemsOf = async (source: string): Promise<string> => {
  const error: unknown = await project(source).catch((caught: unknown) => caught);
  if (!(error instanceof TerminalError)) throw new Error('expected a problem');
  return (error.details['problems'] as { code: string; message: string }[])
    .map(({ code, message }) => `${code} ${message}`)
    .join('\n');
};

describe('a postgres source', () => {
  it('has every default filled in', async () => {
    const { resources } = await project(`
    type: postgres
    connection: env:SHOP_URL
    parallel: 2
    resources:
      orders: { table: orders }
      new: { schema: sales, query: "SELECT 1 AS id; ", primary_key: id, cursor: { field: id, type: integer } }
      written: { table: orders, primary_key: id, cursor: { xmin: true } }`);
    const postgres = { connection: 'env:SHOP_URL', parallel: 2 };
    expect(resources).toMatchObject([
      { path: 'public.orders', write: 'replace', postgres: { ...postgres, schema: 'public', table: 'orders' } },
      { path: 'query 611f76bb', write: 'merge', postgres: { ...postgres, schema: 'sales', query: 'SELECT 1 AS id' } },
      { write: 'merge', cursor: { field: 'xmin', type: 'integer', lag: 0, byTransaction: true } },
    ]);
    const byInterval = await project(
      '{ type: postgres, connection: env:SHOP_URL, table: visits, interval_column: at }',
    );
    // Only the source knows whether it is a table, which several connections read unasked, or a view.
    expect(byInterval.resources[0]?.postgres).not.toHaveProperty('parallel');
    expect(byInterval.resources[0]).toMatchObject({ write: 'append', interval: { column: 'at', outside: 'fail' } });
  });

  it('has the fingerprint that it had when `parallel` was 1 where it was not given: nothing is built anew', async () => {
    for (const parallel of ['', ', parallel: 1']) {
      const { resources } = await project(`{ type: postgres, connection: env:A, table: a, write: merge, primary_key: id, deletes: reconcile${parallel} }`); // prettier-ignore
      expect(fingerprint(loadInputs(resources[0]!, []))).toBe('0f67c39ed7a42f966ab4736a87a458bdd180e537bcf670a78952002a35fad3b9'); // prettier-ignore
    }
  });

  it.each([
    ['{ type: postgres, table: a }', 'PROJECT_KEY_MISSING Reading plumbline.yaml failed: sources.shop has no "connection"'],
    ['{ type: postgres, connection: "postgres://ann:pw@db/x", table: a }', 'PROJECT_SECRET_IN_FILE Reading plumbline.yaml failed: sources.shop.connection is written out'],
    ['{ type: postgres, connection: env:A }', 'sources.shop has no "table" and no "query"'],
    ['{ type: postgres, connection: env:A, table: a, query: SELECT 1 }', 'sources.shop has a table and a query'],
    ['{ type: postgres, connection: env:A, table: a, parallel: 99 }', 'expected a whole number from 1 to 16'],
    ['{ type: postgres, connection: env:A, table: a, write: append }', 'each load would add again'],
    ['{ type: postgres, connection: env:A, table: a, cursor: { field: at } }', 'has a cursor and no "primary_key"'],
    ['{ type: postgres, connection: env:A, table: a, primary_key: id, cursor: { lag: 1h } }', 'cursor has to name a field, or be { xmin: true }'],
    ['{ type: postgres, connection: env:A, table: a, primary_key: id, cursor: { xmin: true, lag: 1h } }', 'and nothing else'],
    ['{ type: postgres, connection: env:A, query: SELECT 1, primary_key: id, cursor: { xmin: true } }', 'the rows of a query have no transaction'],
    ['{ type: postgres, connection: env:A, table: a, interval_column: at, primary_key: id, cursor: { field: at } }', 'cursor asks for what is new, and interval_column for an interval'],
    ['{ type: postgres, connection: env:A, table: a, interval_column: at, write: replace }', 'each interval would leave its own rows only'],
    ['{ type: postgres, connection: env:A, table: a, interval_column: at, write: merge, primary_key: id, deletes: reconcile }', 'which compares all keys, and interval_column reads a part'],
    ['{ type: postgres, connection: env:A, table: a, format: csv }', 'has no key "format", which goes with another `type`.'],
    ['{ type: postgres, connection: env:A, tabel: a }', 'no key "tabel"; did you mean "table"?'],
  ])('%s: %s', async (source, expected) => {
    const problems = await problemsOf(source);
    expect(problems).toContain(expected);
    expect(problems).not.toContain('ann:pw');
  }); // prettier-ignore
});
