import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { compileUnitTest } from '../../src/elt/unit-tests/compile-unit-test.js';
import { runUnitTest } from '../../src/elt/unit-tests/run-unit-test.js';
import { loadProject } from '../../src/project/load-project.js';
import { createWorkbench, type Workbench } from './workbench.js';

const example = new URL('../../examples/jaffle-shop', import.meta.url).pathname;
let bench: Workbench;
afterEach(() => bench.destroy());

it('gives what the dbt project of that name gives', async () => {
  const entries = await readdir(example, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = paths.map(async (path) => [path.slice(example.length + 1), await readFile(path, 'utf8')] as const);
  bench = await createWorkbench(Object.fromEntries(await Promise.all(files)));
  const { run, plan } = await bench.open('run-1', ['elt'], { project: 'jaffle-shop' });
  const { loads, transforms } = await bench.elt(run, plan);
  await bench.close(run);

  expect(loads.map(({ resource, tableRows }) => [resource, tableRows])).toEqual([
    ['seeds.raw_customers', 100],
    ['seeds.raw_orders', 99],
    ['seeds.raw_payments', 113],
  ]);
  expect(transforms.map(({ transform, rows }) => [transform, rows]).sort()).toEqual([
    ['customers', 100],
    ['orders', 99],
    ['payments', 113],
  ]);
  const project = await loadProject({ root: example });
  expect(project.unitTests.map(({ name }) => name)).toEqual(['counts_the_orders_of_each_customer']);
  for (const test of project.unitTests) {
    const result = await bench.test.database.session((session) => runUnitTest(session, compileUnitTest(test, project)));
    expect(result.difference).toMatchObject({ missing: [], unexpected: [], equal: 2 });
  }
  expect(transforms.flatMap(({ warnings = [] }) => warnings)).toEqual([
    { test: 'accepted_range(number_of_orders, 1..)', failures: 38, at: { file: 'plumbline.yaml', line: 26 } },
  ]);
  expect(
    await bench.test.database.query(`SELECT first_name, last_name, first_order::text, most_recent_order::text,
      number_of_orders::int, customer_lifetime_value::float8 FROM jaffle_shop_dev.customers WHERE customer_id = 1`),
  ).toEqual([
    {
      first_name: 'Michael',
      last_name: 'P.',
      first_order: '2018-01-01',
      most_recent_order: '2018-02-10',
      number_of_orders: 2,
      customer_lifetime_value: 33,
    },
  ]);
  // Every cent of the seeds is in one of the methods' columns, and in the customers' values.
  expect(
    await bench.test.database.query(`SELECT
      (SELECT sum(amount) / 100.0 FROM jaffle_shop_dev_raw.raw_payments)::float8 AS paid,
      (SELECT sum(credit_card_amount + coupon_amount + bank_transfer_amount + gift_card_amount) FROM jaffle_shop_dev.orders)::float8 AS orders,
      (SELECT sum(customer_lifetime_value) FROM jaffle_shop_dev.customers)::float8 AS customers`),
  ).toEqual([{ paid: 1672, orders: 1672, customers: 1672 }]);
});
