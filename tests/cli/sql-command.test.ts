import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createWorkbench, type Workbench } from '../activities/workbench.js';

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({
    'plumbline.yaml':
      'name: shop\nenvironments: { prod: {} }\nsources:\n  crm: { resources: { customers: { path: c.csv } } }\n',
    'c.csv': 'id,name\n1,Ann\n',
    'sql/daily.sql': "SELECT id, name FROM {{ source('crm', 'customers') }}\n",
  });
});
afterAll(() => bench.destroy());

/** What `plumbline sql` prints, also when PostgreSQL refuses the query. */
async function asked(query: string, ...options: string[]): Promise<string> {
  const env = { ...process.env, PLUMBLINE_DATABASE_URL: bench.test.url };
  return promisify(execFile)(process.execPath, [CLI, 'sql', query, ...options], { cwd: bench.root, env }).then(
    ({ stdout }) => stdout,
    (error: unknown) => (error as { stderr: string }).stderr,
  );
}

it('says what there is to name when a query is refused', async () => {
  expect(await asked('SELECT * FROM customers')).toContain('The project has no tables here yet: `plumbline run`');
  const { run, plan } = await bench.open('run-1', ['elt']);
  await bench.elt(run, plan);
  await bench.close(run);
  const [table, column, statement] = await Promise.all(
    ['SELECT * FROM customers', 'SELECT nam FROM daily', 'DELETE FROM daily'].map((query) => asked(query)),
  );
  expect(table).toContain('→ Name one of crm_customers, daily.');
  expect(column).toContain('→ Perhaps you meant to reference the column "daily.name".');
  expect(statement).toContain('→ Correct the query: one SELECT (or WITH, VALUES, TABLE).');
});

it('names the environment in what it says, and leaves what is in a row as it is', async () => {
  const said = "SELECT '`plumbline run`' AS said";
  expect(await asked(said, '--env', 'prod', '--json')).toBe('[\n  {"said": "`plumbline run`"}\n]\n');
  expect(await asked(said, '--env', 'prod')).toContain('\n`plumbline run`');
  expect(await asked('SELECT * FROM none', '--env', 'prod')).toContain('`plumbline run --env prod` makes them');
});
