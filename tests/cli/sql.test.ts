import { execFileSync } from 'node:child_process';
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
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

  it('shows every column, and values that JSON has no word for', async () => {
    const query = `SELECT 1 AS x, 2 AS x, 3 AS x_1, 'NaN'::float8 AS nan, ARRAY['-Infinity'::float8] AS list, '\\x00ff'::bytea AS raw, '[9007199254740993, 1.10]'::jsonb AS doc`;
    expect(await sql(query)).toBe(
      'x  x  x_1  nan  list           raw     doc\n1  2  3    NaN  ["-Infinity"]  \\x00ff  [9007199254740993, 1.10]\n',
    );
    expect(await sql(query, '--json')).toBe(
      '[\n  {"x": 1, "x_2": 2, "x_1": 3, "nan": "NaN", "list": ["-Infinity"], "raw": "\\\\x00ff", "doc": [9007199254740993, 1.10]}\n]\n',
    );
    expect(await sql('SELECT 1 WHERE false', '--json')).toBe('[]\n');
    expect(
      await sql("SELECT 0.1::float8 AS x, repeat('[', 5000)::text || repeat(']', 5000) AS deep", '--json'),
    ).toContain('"x": 0.1, ');
    expect(
      JSON.parse(await sql("SELECT (repeat('[', 5000) || repeat(']', 5000))::jsonb AS deep", '--json')),
    ).toHaveLength(1);
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

  it('writes to the file behind a link, and into a pipe', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-sql-'));
    const [file, link, pipe] = ['demand.csv', 'link.csv', 'pipe'].map((name) => join(folder, name)) as [string, string, string]; // prettier-ignore
    await writeFile(file, 'former');
    await symlink(file, link);
    await sql('SELECT 1 AS x', '--output', link);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(file, 'utf8')).toBe('x\n1\n');
    execFileSync('mkfifo', [pipe]);
    const [read] = await Promise.all([readFile(pipe, 'utf8'), sql('SELECT 2 AS x', '--output', pipe)]);
    expect(read).toBe('x\n2\n');
    expect((await lstat(pipe)).isFIFO()).toBe(true);
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
