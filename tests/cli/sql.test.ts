import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { register } from '../../src/cli/commands/sql.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

// The command asks the folder for the project's name; the example is a project.
const PROJECT = fileURLToPath(new URL('../../examples/bike-demand', import.meta.url));
const cwd = process.cwd();
let test: TestDatabase;

beforeAll(async () => {
  test = await createTestDatabase();
  await test.database.execute(
    `CREATE SCHEMA bike_demand_dev; CREATE SCHEMA bike_demand_dev_raw;
     CREATE TABLE bike_demand_dev.demand AS SELECT n AS hour, CASE WHEN n < 3 THEN n * 10 END AS rides FROM generate_series(1, 3) AS n;
     CREATE TABLE bike_demand_dev_raw.rides AS SELECT 7 AS hr`,
  );
  process.chdir(PROJECT);
  vi.stubEnv('PLUMBLINE_DATABASE_URL', test.url);
});
afterAll(async () => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  await test.drop();
});

async function sql(...words: string[]): Promise<string> {
  let printed = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  try {
    const program = new Command().exitOverride();
    register(program);
    await program.parseAsync(['node', 'plumbline', 'sql', ...words]);
  } finally {
    write.mockRestore();
  }
  return printed;
}

describe('plumbline sql', () => {
  it('finds the tables of the project by their names, raw ones too', async () => {
    expect(await sql('SELECT hour, rides FROM demand ORDER BY 1;')).toBe('hour  rides\n1     10\n2     20\n3     ∅\n');
    expect(JSON.parse(await sql('SELECT hr FROM rides', '--json'))).toEqual([{ hr: 7 }]);
    expect(await sql('SELECT load_id FROM plumbline.rejects')).toBe('(0 rows)\n');
  });

  it('shows no more rows than --limit and says that there are more', async () => {
    const printed = await sql('SELECT hour FROM demand ORDER BY 1', '--limit', '2');
    expect(printed).toMatch(/^hour\n1\n2\n.*more than 2 rows/);
  });

  it('writes all rows as CSV, to the screen or into a file', async () => {
    const csv = 'hour,rides\n1,10\n2,20\n3,\n';
    expect(await sql('SELECT hour, rides FROM demand ORDER BY 1 -- all', '--csv')).toBe(csv);
    expect(await sql('TABLE demand', '--csv', '--limit', '1')).toBe('hour,rides\n1,10\n');
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-sql-'));
    const file = join(folder, 'demand.csv');
    expect(await sql('SELECT hour, rides FROM demand ORDER BY 1', '--output', file)).toBe('');
    expect(await readFile(file, 'utf8')).toBe(csv);
    await expect(sql('SELECT 1) TO STDOUT; COMMIT; DROP TABLE demand; SELECT (1', '--output', file)).rejects.toMatchObject({ code: 'QUERY_REFUSED' }); // prettier-ignore
    await expect(sql('SELECT 1 / (hour - 3) FROM demand', '--output', file)).rejects.toMatchObject({ code: 'QUERY_REFUSED' }); // prettier-ignore
    await expect(sql('TABLE demand', '--output', join(folder, 'no', 'x.csv'))).rejects.toMatchObject({ code: 'CLI_OUTPUT' }); // prettier-ignore
    expect(await readFile(file, 'utf8')).toBe(csv);
    expect(await readdir(folder)).toEqual(['demand.csv']);
    await rm(folder, { recursive: true });
  });

  it.each([
    'DELETE FROM demand',
    'SELECT 1; COMMIT; DROP TABLE demand',
    'SELECT 1; COMMIT; SET default_transaction_read_only = off; COMMIT; DROP TABLE demand',
    "SELECT 1; SELECT set_config('default_transaction_read_only', 'off', false); COMMIT; BEGIN; DELETE FROM demand",
    "SELECT set_config('transaction_read_only', 'off', true)",
    'WITH gone AS (DELETE FROM demand RETURNING *) SELECT * FROM gone',
    'SELECT nothing_here FROM demand',
  ])('refuses %s and changes nothing', async (query) => {
    await expect(sql(query)).rejects.toMatchObject({ code: 'QUERY_REFUSED' });
    expect(await test.database.query('SELECT count(*)::int AS rows FROM bike_demand_dev.demand')).toEqual([
      { rows: 3 },
    ]);
  });
});
