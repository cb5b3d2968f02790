import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publishResource, type Publishing, type PublishOptions } from '../../../src/elt/load/publish-resource.js';
import type { LoadOptions } from '../../../src/elt/load/load-object.js';
import type { Database, Session } from '../../../src/model/database.js';
import type { ResourceConfig } from '../../../src/model/project.js';
import { openWorkbench, resourceOf, schemas, type Workbench } from './workbench.js';

let bench: Workbench;
beforeAll(async () => {
  bench = await openWorkbench();
  await bench.database.execute('CREATE TABLE public.mark (name text, pid int, xid text)');
});
afterAll(() => bench.close());

const publish = (resource: ResourceConfig, loads: PublishOptions['loads'], more: Partial<PublishOptions> = {}) =>
  publishResource({
    database: bench.database,
    env: 'dev',
    project: 'demo',
    schemas,
    resource,
    loads,
    runId: 'run-1',
    ...more,
  });
const marks = (name: string) => bench.database.query('SELECT name, xid FROM public.mark WHERE name = $1', [name]);

describe.each(['replace', 'append', 'merge'] as const)('%s', (write) => {
  const resource = resourceOf({ id: write, source: write, table: write, path: `${write}.csv`, write, primaryKey: ['id'] }); // prettier-ignore
  const calls: Publishing[] = [];
  const onPublish = async (session: Session, result: Publishing) => {
    calls.push(result);
    await session.execute('INSERT INTO public.mark VALUES ($1, pg_backend_pid(), pg_current_xact_id()::text)', [write]);
  };

  test('what onPublish writes is committed with the rows, once', async () => {
    await bench.write(resource.path, 'id,v\n1,old\n2,old\n');
    const loads = await bench.stage(resource);
    const published = await publish(resource, loads, { onPublish });
    expect(calls).toMatchObject([{ rows: 2, table: `demo_dev_raw.${write}`, version: 1, columnsAdded: [] }]);
    expect(published).toEqual({ status: 'published', ...calls[0] });
    const [{ xid } = {}] = await bench.database.query<{ xid: string }>(
      'SELECT xmin::text AS xid FROM plumbline.resources WHERE resource = $1',
      [write],
    );
    const ledger = await bench.database.query(
      `SELECT xmin::text AS xid FROM plumbline.resource_versions WHERE resource = $1`,
      [write],
    );
    expect(xid).toBeDefined();
    expect((await marks(write)).map((mark) => ({ xid: mark['xid'] }))).toEqual(ledger);

    expect(await publish(resource, loads, { onPublish })).toMatchObject({ status: 'unchanged' });
    expect(calls).toHaveLength(1);
  });

  test('what onPublish throws leaves the old rows, the stage and no mark', async () => {
    await bench.write(resource.path, 'id,v,w\n1,new,x\n');
    const loads = await bench.stage(resource, { runId: 'run-2' });
    const stages = await bench.stages();
    const failing = publish(resource, loads, {
      async onPublish(session, result) {
        await onPublish(session, result);
        throw new Error('superseded');
      },
    });
    await expect(failing).rejects.toThrow('superseded');
    expect(await bench.rows(write, 'id::int, v')).toEqual([
      { id: 1, v: 'old' },
      { id: 2, v: 'old' },
    ]);
    expect(await marks(write)).toHaveLength(1);
    expect(await bench.stages()).toEqual(stages);
    expect(await publish(resource, loads)).toMatchObject({ status: 'published', version: 2 });
  });
});

describe('an abort in the middle of a long statement', () => {
  /** Before the first statement that fits, aborts and sleeps in PostgreSQL, as that statement could for an hour. */
  function slowAt(pattern: RegExp, controller: AbortController): Database {
    return {
      ...bench.database,
      session: (work) =>
        bench.database.session((session) =>
          work({
            ...session,
            async execute(text, parameters) {
              if (pattern.test(text) && !controller.signal.aborted) {
                setTimeout(() => controller.abort(new Error('cancelled')), 50);
                await session.query('SELECT pg_sleep(30)');
              }
              return session.execute(text, parameters);
            },
          }),
        ),
    };
  }

  test.each([
    ['merge', /INSERT INTO "demo_dev_raw"/],
    ['append', /INSERT INTO "demo_dev_raw"/],
    ['replace', /INSERT INTO "demo_dev_stage"."publish_/],
  ] as const)('of a %s publishes nothing', async (write, pattern) => {
    const id = `abort_${write}`;
    const resource = resourceOf({ id, source: id, table: id, path: `${id}/*.csv`, write, primaryKey: ['id'] });
    await bench.write(`${id}/a.csv`, 'id\n1\n');
    await bench.run(resource);
    await bench.write(`${id}/b.csv`, 'id\n2\n');
    const loads = await bench.stage(resource, { runId: 'run-2' });
    const controller = new AbortController();
    const { signal } = controller;
    await expect(publish(resource, loads, { database: slowAt(pattern, controller), signal })).rejects.toThrow(
      'cancelled',
    );
    expect(await bench.rows(id, 'id::int')).toEqual([{ id: 1 }]);
    expect(await publish(resource, loads)).toMatchObject({ status: 'published', rows: 2 });
  });

  test('of the last check of a load leaves it unfinished, and the next attempt finishes it', async () => {
    const resource = resourceOf({ id: 'check', source: 'check', table: 'check', path: 'check.csv' });
    await bench.write('check.csv', 'id\n1\n');
    const controller = new AbortController();
    const options: Partial<LoadOptions> = {
      database: slowAt(/SET status = 'staged'/, controller),
      signal: controller.signal,
    };
    await expect(bench.stage(resource, options)).rejects.toThrow('cancelled');
    const status = () => bench.database.query(`SELECT status FROM plumbline.loads WHERE resource = 'check'`);
    expect(await status()).toEqual([{ status: 'loading' }]);
    expect((await bench.run(resource)).published).toMatchObject({ rows: 1 });
  });
});
