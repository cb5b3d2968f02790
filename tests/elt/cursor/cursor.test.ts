import { describe, expect, it } from 'vitest';
import { loadObject } from '../../../src/elt/load/load-object.js';
import { publishResource } from '../../../src/elt/load/publish-resource.js';
import { whatIsAsked } from '../../../src/elt/extract/what-is-asked.js';
import type { CursorConfig, ResourceConfig } from '../../../src/model/project.js';
import { sendJson } from '../../support/api-server.js';
import { useApiBench } from '../extract/api-bench.js';
import { schemas } from '../load/workbench.js';

const t = useApiBench();

interface Order {
  readonly id: number;
  readonly at: string | null;
  readonly v?: string;
}

/** An API that answers with the rows from `since` on, the moment itself included, two a page. */
let orders: Order[] = [];
function serve(rows: Order[]): void {
  orders = rows;
  t.api.answer = (_request, response, url) => {
    const since = url.searchParams.get('since') ?? '';
    const skip = Number(url.searchParams.get('skip'));
    sendJson(response, orders.filter(({ at }) => at === null || at >= since).slice(skip, skip + 2));
  };
}
const resourceOf = (cursor: Partial<CursorConfig> = {}): ResourceConfig =>
  t.resource(
    { cursorParam: 'since', pagination: { type: 'offset', param: 'skip', start: 0 } },
    { write: 'merge', primaryKey: ['id'], cursor: { field: 'at', type: 'timestamp', lag: 0, ...cursor } },
  );
const stateOf = async (resource: ResourceConfig): Promise<unknown> =>
  (await t.bench.database.query('SELECT value FROM plumbline.cursors WHERE resource = $1', [resource.id]))[0]?.[
    'value'
  ];
const table = async ({ table: name }: ResourceConfig): Promise<string[]> =>
  (await t.bench.rows(name)).map(({ id, v }) => `${Number(id)}${typeof v === 'string' ? v : ''}`).sort();
const day = (number: number, clock = '00:00:00'): string => `2024-05-0${number}T${clock}Z`;
/** What the API was asked from, page after page. */
const asked = (): (string | null)[] =>
  t.api.requests.map((request) => new URLSearchParams(request.split('?')[1]).get('since'));

describe('a resource with a cursor', () => {
  it('is asked from its initial value, then from where it is', async () => {
    serve([1, 2, 3].map((id) => ({ id, at: day(id), v: 'a' })));
    const resource = resourceOf({ initial: day(2) });
    await t.run(resource, 'run-1');
    expect(await table(resource)).toEqual(['2a', '3a']);
    expect(await stateOf(resource)).toBe(day(3));
    orders.push({ id: 4, at: day(4), v: 'a' });
    orders[1] = { id: 2, at: day(5), v: 'b' };
    t.api.requests.length = 0;
    await t.run(resource, 'run-2');
    expect(new Set(asked())).toEqual(new Set([day(3)]));
    expect(await table(resource)).toEqual(['2b', '3a', '4a']);
    expect(await stateOf(resource)).toBe(day(5));
    expect(await whatIsAsked(t.bench.database, { env: 'dev', project: 'demo' }, resource, { full: false })).toBe(
      `asks ${t.api.url}/orders?since=2024-05-05T00%3A00%3A00Z, page by page (offset); cursor at is at ${day(5)}`,
    );
  });

  it('loses none of the rows that tie with its state', async () => {
    serve([
      { id: 1, at: day(1) },
      { id: 2, at: day(2) },
    ]);
    const resource = resourceOf();
    await t.run(resource, 'run-1');
    for (let id = 3; id < 13; id++) orders.push({ id, at: day(2) });
    await t.run(resource, 'run-2');
    expect(await table(resource)).toHaveLength(12);
  });

  it('counts what comes late within the lag, and not what it only reads again', async () => {
    serve([
      { id: 1, at: day(2, '10:00:00'), v: 'a' },
      { id: 2, at: day(2, '12:00:00'), v: 'a' },
      { id: 5, at: day(2, '11:30:00'), v: 'a' },
    ]);
    const resource = resourceOf({ lag: 3 * 3_600_000 });
    expect((await t.run(resource, 'run-1')).published.rowsLate).toBe(0);
    orders.push({ id: 3, at: day(2, '11:00:00'), v: 'late' }, { id: 4, at: day(2, '13:00:00'), v: 'a' });
    orders[0] = { id: 1, at: day(2, '10:30:00'), v: 'changed late' };
    expect((await t.run(resource, 'run-2')).published).toMatchObject({ rows: 5, rowsLate: 2 });
    expect(await table(resource)).toEqual(['1changed late', '2a', '3late', '4a', '5a']);
    expect(await stateOf(resource)).toBe(day(2, '13:00:00'));
  });

  it('keeps rows without a cursor, and counts them', async () => {
    serve([
      { id: 1, at: null },
      { id: 2, at: day(1) },
    ]);
    const resource = resourceOf();
    const { extract } = await t.run(resource, 'run-1');
    expect(await table(resource)).toEqual(['1', '2']);
    const [pages] = await t.bench.database.query('SELECT sum(cursor_missing)::int AS missing FROM plumbline.raw_pages WHERE extract_id = $1', [extract.extractId]); // prettier-ignore
    expect(pages).toEqual({ missing: 1 });
    serve([{ id: 1, at: null }]);
    await expect(t.run({ ...resource, id: `${resource.id}_b` }, 'run-2')).rejects.toMatchObject({
      code: 'ELT_CURSOR_MISSING',
    });
  });

  it('goes on behind a row whose clock was wrong', async () => {
    serve([
      { id: 1, at: day(1) },
      { id: 2, at: '2999-01-01T00:00:00Z' },
    ]);
    const resource = resourceOf();
    await t.run(resource, 'run-1');
    expect(String(await stateOf(resource)) < new Date().toISOString()).toBe(true);
    orders.push({ id: 3, at: new Date().toISOString() });
    await t.run(resource, 'run-2');
    expect(await table(resource)).toEqual(['1', '2', '3']);
  });

  it('keeps the newer of two states of a row, whichever page has it', async () => {
    serve([
      { id: 1, at: day(3), v: 'new' },
      { id: 2, at: day(1), v: 'a' },
      { id: 1, at: day(2), v: 'old' },
    ]);
    const resource = resourceOf();
    await t.run(resource, 'run-1');
    expect(await table(resource)).toEqual(['1new', '2a']);
    const { database, store } = t.bench;
    const base = { database, store, env: 'dev', project: 'demo', schemas, resource, runId: 'run-2' };
    const loads = [];
    for (const row of [
      { id: 2, at: day(5), v: 'new' },
      { id: 2, at: day(4), v: 'old' },
    ]) {
      const { sha256 } = await store.put(Buffer.from(`${JSON.stringify(row)}\n`));
      loads.push(await loadObject({ ...base, object: { path: `/orders#${loads.length + 1}`, sha256 } }));
    }
    await publishResource({ ...base, loads });
    expect(await table(resource)).toEqual(['1new', '2new']);
  });

  it('that nothing new came for is where it was, and so is its table', async () => {
    serve([{ id: 1, at: day(1) }]);
    const resource = resourceOf();
    await t.run(resource, 'run-1');
    await t.run(resource, 'run-2');
    const again = await t.run(resource, 'run-3');
    expect(again.loads).toMatchObject([{ status: 'already_loaded' }]);
    expect(again.published.status).toBe('unchanged');
    expect(await stateOf(resource)).toBe(day(1));
  });

  it('does not move when its rows are not published', async () => {
    serve([{ id: 1, at: day(1) }]);
    const resource = resourceOf();
    await t.run(resource, 'run-1');
    const { database, store } = t.bench;
    const { sha256 } = await store.put(Buffer.from('{"id": 9, "at": "2024-05-09T00:00:00Z"}\n'));
    const base = { database, store, env: 'dev', project: 'demo', schemas, resource, runId: 'run-2' };
    const loads = [await loadObject({ ...base, object: { path: '/orders#1', sha256 } })];
    const cursor = { from: day(1), to: day(9) };
    const onPublish = () => Promise.reject(new Error('no'));
    await expect(publishResource({ ...base, loads, cursor, onPublish })).rejects.toThrow('no');
    expect(await stateOf(resource)).toBe(day(1));
    expect(await table(resource)).toEqual(['1']);
  });

  it('refreshed in full is where its rows end, as those of a source that was made anew, and the others stay', async () => {
    serve([
      { id: 1, at: day(1), v: 'a' },
      { id: 2, at: day(5), v: 'a' },
    ]);
    const resource = resourceOf();
    const other = { ...resource, id: `${resource.id}_b`, table: `${resource.table}_b` };
    await t.run(resource, 'run-1');
    await t.run(other, 'run-1');
    orders = [{ id: 1, at: day(1), v: 'b' }];
    t.api.requests.length = 0;
    await t.run(resource, 'run-2', { force: true, full: true });
    expect(asked()[0]).toBe(null);
    expect(await table(resource)).toEqual(['1b', '2a']);
    expect([await stateOf(resource), await stateOf(other)]).toEqual([day(1), day(5)]);
    // What comes behind its rows is asked for, also where it lies before the former state.
    orders.push({ id: 3, at: day(3), v: 'b' });
    await t.run(resource, 'run-3');
    expect(await table(resource)).toEqual(['1b', '2a', '3b']);
  });

  it('may be a whole number beyond 2^53', async () => {
    const rows = ['9007199254740993', '9007199254740992'];
    t.api.answer = (_request, response, url) =>
      sendJson(
        response,
        url.searchParams.get('skip') === '0' ? `[${rows.map((id) => `{"id": ${id}, "at": ${id}}`).join()}]` : '[]',
      );
    const resource = resourceOf({ type: 'integer', lag: 1 });
    await t.run(resource, 'run-1');
    expect(await stateOf(resource)).toBe('9007199254740993');
    t.api.requests.length = 0;
    await t.run(resource, 'run-2');
    expect(asked()[0]).toBe('9007199254740992');
  });
});
