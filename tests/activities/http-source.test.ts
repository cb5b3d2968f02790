import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renderSteps } from '../../src/cli/render-run.js';
import { recordErasure } from '../../src/storage/erasures.js';
import { listSteps } from '../../src/storage/run-steps.js';
import { sendJson, startApiServer, type ApiServer } from '../support/api-server.js';
import { beginExtract, type ExtractKey } from '../../src/elt/extract/extract-progress.js';
import { createWorkbench, type Workbench } from './workbench.js';

let api: ApiServer;
let bench: Workbench;
beforeEach(async () => {
  api = await startApiServer((_request, response) => sendJson(response, [{ id: 1, units: 5 }]));
});
afterEach(async () => {
  await bench.destroy();
  await api.close();
});
const yaml = (resource: string): string =>
  `name: shop\nsources:\n  api:\n    type: http\n    url: ${api.url}\n    allow_private: true\n    auth: { type: bearer, token: env:TEST_API_TOKEN }\n    resources:\n      orders: ${resource}\n`;

async function load(runId: string): Promise<Awaited<ReturnType<Workbench['elt']>>> {
  process.env['TEST_API_TOKEN'] = 's3cret';
  const { run, plan } = await bench.open(runId, ['elt']);
  const result = await bench.elt(run, plan);
  await bench.close(run);
  return result;
}

describe('a run over an API', () => {
  it('loads its pages, says so, and keeps the secret to itself', async () => {
    bench = await createWorkbench({ 'plumbline.yaml': yaml('{ path: /orders }') });
    const { loads } = await load('run-1');
    expect(loads).toMatchObject([{ resource: 'api.orders', tableRows: 1, rowsLoaded: 1, extract: { pages: 1 } }]);
    const lines = renderSteps(await listSteps(bench.test.database, 'run-1')).map(({ line }) => line);
    expect(lines.join('\n')).toMatch(/api\.orders +1 row +0 rejected +1 page/);
    expect(api.received[0]!.headers.authorization).toBe('Bearer s3cret');
    const [kept] = await bench.test.database.query(`SELECT (SELECT json_agg(s) FROM plumbline.run_steps s)::text || (SELECT json_agg(p) FROM plumbline.raw_pages p)::text AS text`); // prettier-ignore
    expect(kept!['text']).not.toContain('s3cret');
  });

  it('reuses the load while the answer is the same', async () => {
    bench = await createWorkbench({ 'plumbline.yaml': yaml('{ path: /orders }') });
    const first = await load('run-1');
    expect(await load('run-2')).toEqual(first);
    const steps = await bench.test.database.query(
      `SELECT step, status FROM plumbline.run_steps WHERE run_id = 'run-2' ORDER BY step`,
    );
    expect(steps).toEqual([
      { step: 'extract:api.orders', status: 'reused' },
      { step: 'load:api.orders', status: 'reused' },
    ]);
  });

  it('that has nothing to merge leaves the table, and fails where there is none yet', async () => {
    bench = await createWorkbench({ 'plumbline.yaml': yaml('{ path: /orders, write: merge, primary_key: id }') });
    const before = api.answer;
    api.answer = (_request, response) => sendJson(response, []);
    await expect(load('run-1')).rejects.toMatchObject({ details: [{ code: 'ELT_SOURCE_EMPTY' }] });
    await bench.test.database.execute(`DELETE FROM plumbline.leases`);
    api.answer = before;
    const first = await load('run-2');
    api.answer = (_request, response) => sendJson(response, []);
    expect(await load('run-3')).toEqual(first);
  });

  it('with a cursor asks for what is new, counts what is late, and begins anew without its table', async () => {
    bench = await createWorkbench({
      'plumbline.yaml': yaml('{ path: /orders, primary_key: id, cursor: { field: at, param: since, lag: 1h } }'),
    });
    const answer = (rows: object[]): void => void (api.answer = (_request, response) => sendJson(response, rows));
    answer([{ id: 1, at: '2024-05-01T12:00:00Z' }]);
    await load('run-1');
    answer([
      { id: 1, at: '2024-05-01T12:00:00Z' },
      { id: 2, at: '2024-05-01T11:30:00Z' },
      { id: 3, at: null },
    ]);
    const { loads } = await load('run-2');
    expect(api.requests).toEqual(['GET /orders', 'GET /orders?since=2024-05-01T11%3A00%3A00Z']);
    const state = '2024-05-01T12:00:00Z';
    expect(loads).toMatchObject([{ tableRows: 3, extract: { cursor: { field: 'at', from: state, to: state, rowsLate: 1, rowsWithout: 1 } } }]); // prettier-ignore
    const lines = renderSteps(await listSteps(bench.test.database, 'run-2')).map(({ line }) => line);
    expect(lines.join('\n')).toMatch(/1 page +1 late[^]*api\.orders: 1 row has no at; it is loaded/);
    await bench.test.database.execute('DROP TABLE shop_dev_raw.api_orders');
    expect((await load('run-3')).loads).toMatchObject([{ tableRows: 3 }]);
    expect(api.requests.at(-1)).toBe('GET /orders');
  });

  it('is planned without asking', async () => {
    bench = await createWorkbench({
      'plumbline.yaml': yaml(
        '{ path: /orders, params: { size: 5, key: env:TEST_API_TOKEN }, pagination: { type: page } }',
      ),
    });
    const { run } = await bench.open('run-1', ['elt']);
    const { lines } = await bench.call('explainPlan', { run });
    expect(lines).toEqual([
      { step: 'load:api.orders', action: 'run', reason: `asks ${api.url}/orders?size=5, page by page (page)` },
    ]);
    expect(api.requests).toEqual([]);
  });

  it('asks for each row of another resource, in the order that the plan says', async () => {
    const path = /^\/orders\/(\d+)\/items$/;
    api.answer = async (request, response, url) => {
      const order = path.exec(url.pathname)?.[1];
      if (order === undefined) return sendJson(response, [{ id: 1 }, { id: 2 }, { id: 3 }]);
      if (order === '2') return void response.writeHead(404).end();
      const { after } = (await json(request)) as { after?: string };
      if (after === undefined) sendJson(response, { rows: [{ sku: `s${order}` }], next: `${order}/1` });
      else sendJson(response, { rows: [], next: null });
    };
    const pages = `records: rows, pagination: { type: cursor, in: body, param: after, token: next }`;
    const items = `{ path: '/orders/{row.id}/items', method: POST, body: { order: '{row.id}' }, ${pages}, for_each: { rows_of: orders, columns: { order_id: id }, missing: ignore } }`;
    bench = await createWorkbench({
      'plumbline.yaml': yaml('{ path: /orders }').replace('      orders:', `      items: ${items}\n      orders:`),
    });
    const { run, plan } = await bench.open('run-0', ['elt']);
    expect(plan).toMatchObject({ resources: ['api.orders', 'api.items'], resourcesAfter: { 'api.items': ['api.orders'] } }); // prettier-ignore
    await bench.close(run);
    const { loads } = await load('run-1');
    expect(loads[1]).toMatchObject({ resource: 'api.items', tableRows: 2, extract: { pages: 5, parents: { asked: 3, missing: 1 } } }); // prettier-ignore
    expect(await bench.test.database.query('SELECT order_id, sku FROM shop_dev_raw.api_items ORDER BY 1')).toEqual([
      { order_id: '1', sku: 's1' },
      { order_id: '3', sku: 's3' },
    ]);
    const lines = renderSteps(await listSteps(bench.test.database, 'run-1')).map(({ line }) => line);
    expect(lines.join('\n')).toMatch(/api\.items +2 rows +0 rejected +5 pages +1 of 3 missing/);
    // What was asked names the rows: whoever is forgotten is not kept there.
    await bench.write({
      'plumbline.yaml': `${yaml('{ path: /orders }').replace('      orders:', `      items: ${items}\n      orders:`)}personal: { order_id: { sources: { api.orders: id, api.items: order_id } } }\n`,
    });
    const { database } = bench.test;
    // Also of what never came to its end, and in what a person said.
    await database.execute(`UPDATE plumbline.extracts SET completed_at = NULL WHERE resource = 'api.items'`);
    await database.execute(
      `INSERT INTO plumbline.intervals (env, project, start_at, end_at, state, skipped_by, skip_reason, skipped_at)
       SELECT 'dev', 'shop', day::timestamptz, day::timestamptz + interval '1 day', 'skipped', 'me', reason, now()
       FROM (VALUES ('2024-01-01', 'order 3 is broken'), ('2024-01-02', '30 of 33 are broken')) AS s (day, reason)`,
    );
    const asked = { env: 'dev', project: 'shop', key: 'order_id', erasureId: 'e1' };
    await recordErasure(bench.test.database, { ...asked, value: '3', dryRun: false, requestedBy: 'me' });
    const { bundle, root, searchAttributes } = await bench.ref('none');
    const { erased } = await bench.call('forgetKey', { ...asked, bundle, root, searchAttributes });
    expect(erased).toContainEqual({
      kind: 'messages',
      place: 'plumbline.raw_pages',
      rows: 2,
      outcome: 'rewritten',
    });
    const kept = await bench.test.database.query<Record<'url' | 'next' | 'body' | 'at', string>>(
      'SELECT url, next_url AS next, body, next_at AS at FROM plumbline.raw_pages WHERE parent > 0 ORDER BY parent, page',
    );
    const out: unknown = expect.stringContaining('taken out');
    const [one, two] = ['/orders/1/items', '/orders/2/items'];
    expect(
      kept.map(({ url, next, body, at }) => [url, next, body, at].map((text) => text?.replace(api.url, ''))),
    ).toEqual([
      [one, one, '{"order":1}', '"1/1"'],
      [one, undefined, '{"order":1,"after":"1/1"}', undefined],
      [two, undefined, '{"order":2}', undefined],
      [out, out, out, out],
      [out, undefined, out, undefined],
    ]);
    const reasons = await database.query('SELECT skip_reason AS reason FROM plumbline.intervals ORDER BY start_at');
    expect(reasons).toEqual([{ reason: out }, { reason: '30 of 33 are broken' }]);
    // An extract that lost its way is not taken for one whose pages are all there.
    const [lost] = await database.query<ExtractKey & { extractId: string }>(
      `SELECT env, project, resource, unit, settings, cursor_from AS "cursorFrom", extract_id AS "extractId" FROM plumbline.extracts WHERE resource = 'api.items'`,
    );
    const begun = await beginExtract(database, lost!, 'run-1', {});
    expect([begun.extractId === lost!.extractId, begun.pages]).toEqual([false, []]);
  });
});
