import { cp, readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createWorkbench, type Workbench } from './workbench.js';

const example = new URL('../../examples/shop-sources', import.meta.url).pathname;
let bench: Workbench;
let api: Server;

beforeAll(async () => {
  const { startShopApi } = (await import(join(example, 'api/server.mjs'))) as {
    startShopApi: (options: { port: number; token: string }) => Promise<Server>;
  };
  api = await startShopApi({ port: 0, token: 'of the test' });
  const { port } = api.address() as AddressInfo;
  bench = await createWorkbench({});
  await cp(example, bench.root, { recursive: true });
  const yaml = await readFile(join(example, 'plumbline.yaml'), 'utf8');
  await bench.write({ 'plumbline.yaml': yaml.replace(':8790', `:${port}`) });
  await bench.test.database.execute(await readFile(join(example, 'crm/customers.sql'), 'utf8'));
  vi.stubEnv('SHOP_TOKEN', 'of the test');
  vi.stubEnv('SHOP_CRM_URL', bench.test.url);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  api.close();
  await bench.destroy();
});

async function load(runId: string): Promise<Record<string, number>> {
  const { run, plan } = await bench.open(runId, ['elt'], { project: 'shop-sources' });
  const { loads } = await bench.elt(run, plan);
  await bench.close(run);
  return Object.fromEntries(loads.map(({ resource, tableRows }) => [resource, tableRows]));
}

it('an API with its child resource, a database and a tap become one table; the second run finds nothing new', async () => {
  const rows = { 'api.orders': 250, 'api.items': 500, 'crm.customers': 3, 'stock.levels': 3 };
  expect(await load('run-1')).toEqual(rows);
  const revenue = `SELECT customer, orders::int AS orders, revenue::float8 AS revenue, least_on_hand::int AS least_on_hand
                   FROM shop_sources_dev.revenue ORDER BY customer`;
  // Each order has 1 × 4.50 and 2 × 9.00; of 250 orders 83 are of customer 1, 84 of 2, 83 of 3.
  const expected = [
    { customer: 'Ann', orders: 83, revenue: 1867.5, least_on_hand: 0 },
    { customer: 'Bob', orders: 84, revenue: 1890, least_on_hand: 0 },
    { customer: 'Cleo', orders: 83, revenue: 1867.5, least_on_hand: 7 },
  ];
  expect(await bench.test.database.query(revenue)).toEqual(expected);
  expect(await load('run-2')).toEqual(rows);
  expect(await bench.test.database.query(revenue)).toEqual(expected);
});
