import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compileTest } from '../../../src/elt/tests/compile-test.js';
import { runTest } from '../../../src/elt/tests/run-test.js';
import type { DataTest } from '../../../src/model/project.js';
import { createTestDatabase } from '../../setup/database.js';

const folder = new URL('../../reference/elt/data-tests/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

test('finds as many failures as dbt 1.9 does, NULL, blanks and equal numbers included', async () => {
  const cases = JSON.parse(read('cases.json')) as { kind: string; column: string; values?: []; field?: string }[];
  const { failures } = JSON.parse(read('dbt.json')) as { failures: number[] };
  const context = { name: 'demand', refs: new Map([['kinds', '"raw"."kinds"']]), sources: new Map<string, string>() };
  const test_ = await createTestDatabase();
  try {
    await test_.database.execute(read('setup.sql'));
    const found = await test_.database.session(async (session) => {
      const counts: number[] = [];
      for (const item of cases) {
        const data = { ...item, columns: [item.column], to: 'kinds', at: { file: 'cases.json', line: 1 } };
        const [compiled] = compileTest(data as unknown as DataTest, context);
        counts.push((await runTest(session, compiled!, '"raw"."demand"')).failures);
      }
      return counts;
    });
    expect(found).toEqual(failures);
  } finally {
    await test_.drop();
  }
});
