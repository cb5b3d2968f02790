import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Project, SqlFile } from '../../src/model/project.js';
import { renderSql } from '../../src/model/render-sql.js';
import { loadProject } from '../../src/project/load-project.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

const examples = new URL('../../examples/', import.meta.url).pathname;

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

/** The example's CSV in a table `source` typed as declared here, its SQL rendered against tables of those names. */
async function load(
  name: string,
  types: (column: string) => string,
): Promise<{ project: Project; run: (file: SqlFile) => string }> {
  const project = await loadProject({ root: `${examples}${name}` });
  const [resource] = project.resources;
  const path = `${examples}${name}/${resource!.path}`;
  const header = (await readFile(path, 'utf8')).split('\n', 1)[0]!.trim().split(',');
  await test.database.execute(
    `CREATE TABLE ${resource!.table} (${header.map((column) => `${column} ${types(column)}`).join(', ')})`,
  );
  await test.database.session((session) =>
    session.copyFrom(`COPY ${resource!.table} FROM STDIN (FORMAT csv, HEADER true)`, createReadStream(path)),
  );
  const context = {
    refs: new Map(project.transforms.map((transform) => [transform.name, transform.name])),
    sources: new Map([[resource!.id, resource!.table]]),
  };
  const run = (file: SqlFile): string => renderSql(file, context).sql;
  for (const transform of project.transforms)
    await test.database.execute(`CREATE TABLE ${transform.name} AS ${run(transform)}`);
  return { project, run };
}

async function one(sql: string): Promise<Record<string, unknown>> {
  const [row] = await test.database.query(sql);
  return row ?? {};
}

describe('examples/bike-demand in PostgreSQL', () => {
  let example: Awaited<ReturnType<typeof load>>;
  beforeAll(async () => {
    const fractions = ['temp', 'atemp', 'hum', 'windspeed'];
    example = await load('bike-demand', (column) =>
      column === 'dteday' ? 'date' : fractions.includes(column) ? 'double precision' : 'bigint',
    );
    for (const view of example.project.features)
      await test.database.execute(`CREATE VIEW f_${view.name} AS ${example.run(view)}`);
    await test.database.execute(`CREATE VIEW labels AS ${example.run(example.project.train!.labels)}`);
  });

  it('has 17,379 labels, 2,168 of them held out', async () => {
    const { testFrom } = example.project.train!.split;
    expect(
      await one(
        `SELECT count(*)::int AS rows, count(*) FILTER (WHERE hour_at >= '${testFrom}')::int AS held_out FROM labels`,
      ),
    ).toEqual({ rows: 17_379, held_out: 2168 });
  });

  it('has one row an hour in every view, known at the cut-off', async () => {
    for (const { name } of example.project.features) {
      expect(
        await one(`SELECT count(*)::int AS rows, count(DISTINCT hour_at)::int AS hours,
          count(*) FILTER (WHERE known_at > hour_at - interval '24 hours')::int AS too_late FROM f_${name}`),
        name,
      ).toEqual({ rows: 17_379, hours: 17_379, too_late: 0 });
    }
  });

  it('leaves the lag empty where the hour is not in the data: 39 held-out hours lack last week', async () => {
    expect(
      await one(`SELECT count(*) FILTER (WHERE lag168 IS NULL)::int AS week, count(*) FILTER (WHERE lag24 IS NULL)::int AS day,
          round(sqrt(avg((rides - lag168) ^ 2))::numeric, 1)::text AS rmse
        FROM f_demand_lags JOIN labels USING (hour_at) WHERE hour_at >= '2012-10-01'`),
    ).toEqual({ week: 39, day: 28, rmse: '117.7' });
  });

  it('keeps the two columns that add up to the target out of every table', async () => {
    const rows = await test.database.query<{ column: string }>(
      `SELECT column_name AS column FROM information_schema.columns WHERE table_name = 'demand' OR table_name LIKE 'f\\_%'`,
    );
    const columns = rows.map(({ column }) => column);
    expect(columns).toContain('lag168');
    for (const leak of ['casual', 'registered', 'cnt']) expect(columns).not.toContain(leak);
  });
});

describe('examples/minimal in PostgreSQL', () => {
  it('runs, and has rows before and after test_from', async () => {
    const { project, run } = await load('minimal', (column) =>
      column === 'day' ? 'date' : column === 'units' ? 'bigint' : 'double precision',
    );
    for (const view of project.features) {
      expect(
        await one(
          `SELECT count(*)::int AS rows, bool_and(known_at <= day - interval '1 day') AS known FROM (${run(view)}\n) AS v`,
        ),
        view.name,
      ).toEqual({ rows: 365, known: true });
    }
    const { labels, split } = project.train!;
    expect(
      await one(
        `SELECT count(*)::int AS rows, count(*) FILTER (WHERE day >= '${split.testFrom}')::int AS held_out FROM (${run(labels)}\n) AS l`,
      ),
    ).toEqual({ rows: 365, held_out: 92 });
  });
});
