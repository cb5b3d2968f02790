import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkPostgres } from '../../src/cli/database-checks.js';
import { orFormerSchema } from '../../src/cli/or-former-schema.js';
import { loadSettings } from '../../src/config.js';
import { createWorkbench, type Workbench } from '../activities/workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({});
});
afterAll(() => bench.destroy());

it('says that the database is of an earlier version where that is why PostgreSQL refuses a statement', async () => {
  const from = { cwd: bench.root, env: { ...process.env, PLUMBLINE_DATABASE_URL: bench.test.url } };
  const settings = await loadSettings(from);
  const asked = (): Promise<unknown> =>
    bench.test.database.query('SELECT other_artifacts FROM plumbline.bundles').catch((error: unknown) => error);
  const misspelt = await bench.test.database
    .query('SELECT nam FROM plumbline.bundles')
    .catch((error: unknown) => error);
  expect(await orFormerSchema(misspelt, from)).toBe(misspelt);
  expect(await checkPostgres(settings)).toMatchObject({ ok: true });

  await bench.test.database.execute(`ALTER TABLE plumbline.bundles DROP COLUMN other_artifacts;
    DELETE FROM plumbline.migrations WHERE name = '0048_bundle_archives.sql'`);
  expect(await orFormerSchema(await asked(), from)).toMatchObject({
    code: 'PG_NOT_MIGRATED',
    message: 'The database is that of an earlier version of plumbline: 0048_bundle_archives.sql missing.',
    next: expect.stringContaining('`plumbline down` and `plumbline up`') as string,
  });
  expect(await checkPostgres(settings)).toMatchObject({ ok: false, next: expect.stringContaining('down') as string });
});
