import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { extractFiles } from '../../../src/elt/extract/extract-files.js';
import { loadObject } from '../../../src/elt/load/load-object.js';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import { TransientError } from '../../../src/errors.js';
import type { Database, Session } from '../../../src/model/database.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
});
afterAll(() => bench.close());
afterEach(() => {
  delete process.env['PLUMBLINE_FAILPOINTS'];
});

const ROWS = 1_000;
const csv = (version: string): string =>
  `id,v\n${Array.from({ length: ROWS }, (_, index) => `${index},${version}${index}`).join('\n')}\n`;

async function checkTable(table: string, version: string): Promise<void> {
  const [found] = await bench.database.query(
    `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids, bool_and(v = $1 || id) AS sound, max(_row_number)::int AS last FROM demo_dev_raw."${table}"`,
    [version],
  );
  expect(found).toEqual({ rows: ROWS, ids: ROWS, sound: true, last: ROWS });
  const [line] = await bench.database.query(
    `SELECT rows_read::int AS read, rows_loaded::int AS loaded, writer_pid AS pid FROM plumbline.loads WHERE resource = $1 AND status = 'published'`,
    [table],
  );
  expect(line).toEqual({ read: ROWS, loaded: ROWS, pid: null });
  expect(await bench.stages()).toEqual([]);
}

describe.each(['replace', 'append', 'merge'] as const)('%s', (write) => {
  const points = [
    'load.after-copy',
    'load.before-commit',
    'load.after-commit',
    write === 'replace' ? 'replace.before-commit' : 'publish.before-commit',
    'publish.after-commit',
  ];
  test.each(points)('an attempt that breaks at %s is finished by the next one, exactly', async (point) => {
    const name = `${write}_${point.replaceAll(/\W/g, '_')}`;
    const resource = resourceOf({
      id: name,
      source: name,
      table: name,
      path: `${name}.csv`,
      write,
      primaryKey: ['id'],
    });
    await bench.write(resource.path, csv('a'));
    await bench.run(resource);
    await bench.write(resource.path, csv('b'));
    // failpoint counts calls over the life of the process: the chunk in the middle of this load, counted anew by a fresh rule.
    process.env['PLUMBLINE_FAILPOINTS'] = `${point}=error@${nextCount(point)}`;
    await expect(bench.run(resource, { chunkRows: 300 })).rejects.toThrow(`failpoint ${point}`);
    // What was there stays until the publication has committed.
    if (point !== 'publish.after-commit') {
      const [seen] = await bench.database.query(`SELECT bool_and(v LIKE 'a%') AS old FROM demo_dev_raw."${name}"`);
      expect(seen).toEqual({ old: true });
    }
    delete process.env['PLUMBLINE_FAILPOINTS'];
    const { loads } = await bench.run(resource, { chunkRows: 300, runId: 'run-2' });
    const resumed = { 'load.after-copy': 301, 'load.before-commit': 301, 'load.after-commit': 601 }[point];
    if (resumed !== undefined) expect(loads[0]!.resumedFromRow).toBe(resumed);
    await checkTable(name, 'b');
  });
});

// Calls of a failpoint count only while a rule names it: each test's rule is taken at the second call after the last one.
const taken = new Map<string, number>();
function nextCount(point: string): number {
  const count = (taken.get(point) ?? 0) + (point.startsWith('load') ? 2 : 1);
  taken.set(point, count);
  return count;
}

describe('a second attempt while the first one still lives', () => {
  /** Stops the session's work just before its next COMMIT, as a process that freezes there. */
  function freezeBefore(database: Database, statement: RegExp, reached: () => void, thaw: Promise<void>): Database {
    const freezeAt = async (text: string): Promise<void> => {
      if (!statement.test(text)) return;
      reached();
      await thaw;
    };
    const frozen = (session: Session): Session => ({
      ...session,
      query: async <R>(...asked: Parameters<Session['query']>) => {
        const rows = await session.query<R>(...asked);
        await freezeAt(asked[0]);
        return rows;
      },
      execute: async (...asked) => {
        const count = await session.execute(...asked);
        await freezeAt(asked[0]);
        return count;
      },
    });
    return {
      ...database,
      session: (work) => database.session((session) => work(frozen(session))),
    };
  }

  async function race(
    name: string,
    resource: ResourceConfig,
    statement: RegExp,
    atWork: 'load' | 'publish',
  ): Promise<void> {
    await bench.write(resource.path, csv('a'));
    const base = { env: 'dev', project: 'demo', schemas, resource, store: bench.store };
    const [extracted] = await extractFiles({
      ...base,
      database: bench.database,
      root: bench.root,
      runId: 'z',
      now: new Date(),
    });
    let thaw = (): void => {};
    let reached = (): void => {};
    const hasReached = new Promise<void>((resolve) => (reached = resolve));
    const frozen = freezeBefore(bench.database, statement, reached, new Promise((resolve) => (thaw = resolve)));
    const zombieDatabase = atWork === 'load' ? frozen : bench.database;
    const zombie = (async () => {
      const load = await loadObject({
        ...base,
        database: zombieDatabase,
        object: extracted!,
        runId: 'zombie',
        chunkRows: 300,
      });
      return publishResource({ ...base, database: frozen, loads: [load], runId: 'zombie' });
    })().catch((error: unknown) => error);
    await hasReached;
    const load = await loadObject({
      ...base,
      database: bench.database,
      object: extracted!,
      runId: 'heir',
      chunkRows: 300,
    });
    const published = await publishResource({ ...base, database: bench.database, loads: [load], runId: 'heir' });
    expect(published).toMatchObject({ status: 'published', rows: ROWS });
    await checkTable(name, 'a');
    thaw();
    expect(await zombie).toBeInstanceOf(TransientError);
    await checkTable(name, 'a');
    expect(
      await bench.database.query('SELECT version::int, run_id FROM plumbline.resource_versions WHERE resource = $1', [
        name,
      ]),
    ).toEqual([{ version: 1, run_id: 'heir' }]);
  }

  test('between compare-and-set and COMMIT of a chunk: the second finishes, the first changes nothing', async () => {
    await race(
      'zombie',
      resourceOf({ id: 'zombie', source: 'zombie', table: 'zombie', path: 'zombie.csv', write: 'append' }),
      /SET next_chunk = next_chunk/,
      'load',
    );
  });

  test('in publication: the second finishes, the first changes nothing', async () => {
    await race(
      'late_zombie',
      resourceOf({ id: 'late_zombie', source: 'late_zombie', table: 'late_zombie', path: 'late.csv', write: 'append' }),
      /INSERT INTO plumbline.resource_versions/,
      'publish',
    );
  });

  test('in a swap: the second finishes, the first changes nothing', async () => {
    await race(
      'swap_zombie',
      resourceOf({ id: 'swap_zombie', source: 'swap_zombie', table: 'swap_zombie', path: 'swap.csv' }),
      /INSERT INTO plumbline.resource_versions/,
      'publish',
    );
  });

  test('a token that was raised meanwhile: the chunk is rolled back and the attempt says that it was fenced', async () => {
    const resource = resourceOf({ id: 'token', source: 'token', table: 'token', path: 'token.csv', write: 'append' });
    await bench.write('token.csv', csv('a'));
    const raised = bench.stage(resource, {
      chunkRows: 300,
      onProgress: () =>
        void bench.database.execute(`UPDATE plumbline.loads SET token = token + 1 WHERE resource = 'token'`),
      database: slowed(bench.database),
    });
    await expect(raised).rejects.toMatchObject({ code: 'ELT_LOAD_FENCED' });
    const [line] = await bench.database.query(
      `SELECT next_chunk AS chunks, rows_read::int AS read FROM plumbline.loads WHERE resource = 'token'`,
    );
    expect(
      await bench.database.query(`SELECT count(*)::int AS rows FROM demo_dev_stage.${(await bench.stages())[0]!}`),
    ).toEqual([{ rows: line!['read'] }]);
    await bench.run(resource);
    await checkTable('token', 'a');
  });

  /** Waits before each COPY, so that what another connection does in between is there. */
  function slowed(database: Database): Database {
    return {
      ...database,
      session: (work) =>
        database.session((session) =>
          work({
            ...session,
            copyFrom: async (...copy) => {
              await new Promise((resolve) => setTimeout(resolve, 100));
              return session.copyFrom(...copy);
            },
          }),
        ),
    };
  }
});

test('a cancelled load stops, and the next one goes on', async () => {
  const resource = resourceOf({ id: 'cancel', source: 'cancel', table: 'cancel', path: 'cancel.csv' });
  await bench.write('cancel.csv', csv('a'));
  const controller = new AbortController();
  const cancelled = bench.stage(resource, {
    chunkRows: 300,
    signal: controller.signal,
    onProgress: ({ rowsRead }) => rowsRead >= 600 && controller.abort(),
  });
  await expect(cancelled).rejects.toThrow(/abort/i);
  expect((await bench.run(resource)).loads[0]!.resumedFromRow).toBeGreaterThanOrEqual(601);
  await checkTable('cancel', 'a');
});

test('a connection that PostgreSQL ends in the middle of a load costs one chunk', async () => {
  const resource = resourceOf({ id: 'ended', source: 'ended', table: 'ended', path: 'ended.csv' });
  await bench.write('ended.csv', csv('a'));
  const ended = bench.stage(resource, {
    chunkRows: 300,
    database: {
      ...bench.database,
      session: (work) =>
        bench.database.session((session) =>
          work({
            ...session,
            execute: async (text, parameters, options) => {
              if (/SET next_chunk = next_chunk/.test(text) && parameters?.[2] === 1)
                await bench.database.query('SELECT pg_terminate_backend($1)', [session.pid]);
              return session.execute(text, parameters, options);
            },
          }),
        ),
    },
  });
  await expect(ended).rejects.toMatchObject({ code: 'PG_CONNECTION_LOST' });
  expect((await bench.run(resource)).loads[0]!.resumedFromRow).toBe(301);
  await checkTable('ended', 'a');
});
