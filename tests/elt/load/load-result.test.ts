import { expect, it } from 'vitest';
import { resultOf } from '../../../src/elt/load/load-result.js';
import type { LedgerLine } from '../../../src/elt/load/ledger.js';
import type { ResourceConfig } from '../../../src/model/project.js';

it('says when what was read has no column by which a forgotten key is found', () => {
  const columns = [{ name: 'customer_id', type: 'bigint' }];
  const line = { path: 'orders.csv', rowsForgotten: 2, reader: { columns, notices: [] } } as unknown as LedgerLine;
  const noticesFor = (column: string): readonly string[] => {
    const resource = { id: 'shop.orders', personal: [{ key: 'customer', column }] } as unknown as ResourceConfig;
    return resultOf({ schemas: { raw: 'raw', main: 'main' } as never, resource }, line, 1).notices;
  };
  expect(noticesFor('customer_id')).toEqual(['Rows of forgotten keys that were taken out: 2.']);
  expect(noticesFor('customer')).toEqual([
    'Rows of forgotten keys that were taken out: 2.',
    'shop.orders: orders.csv has no column "customer", which `personal.customer` names; no forgotten key is found in it.',
  ]);
});
