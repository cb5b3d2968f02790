import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestStack } from '../support/stack.js';
import { contents, endOf, expectNoProcess, expectNothingLeft, expectOneVersionPerModel, startRun } from './checks.js';
import { createFaultsStack } from './project.js';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));
const STAGES = ['elt', 'features', 'training'];

/** Every name in `failpoint('…')`, so that a new one is killed here without being listed. */
const FOUND = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && path !== 'failpoint.ts')
  .flatMap((path) => [...readFileSync(join(SOURCE, path), 'utf8').matchAll(/failpoint\(['`]([^'`]+)['`]\)/g)])
  .flatMap(([, name]) =>
    name!.includes('${stage}') ? STAGES.map((stage) => name!.replace('${stage}', stage)) : [name!],
  )
  .sort();
const NAMES = [...new Set(FOUND)];
/** Of the prediction server's spool; tests/serving kills it at these. */
const SPOOL = NAMES.filter((name) => name.startsWith('spool'));
/** Of an API's pages, which no example reads; tests/elt/extract kills a process at these. */
const HTTP = NAMES.filter((name) => name.startsWith('http'));
/** Of incremental tables, which the example has not; tests/elt/transform kills a build at these. */
const INCREMENT = NAMES.filter((name) => name.startsWith('increment'));
/** Of sources that are programs, which the example has not; tests/elt/extract and tests/faults/kill-program kill them at these. */
const LANDING = NAMES.filter((name) => name.startsWith('landing'));
/** Of quarantined rows that are loaded again; tests/elt/load kills a retry at these. */
const RETRY = NAMES.filter((name) => name.startsWith('retry'));
/** Of garbage collection and of forgetting a key, which are no part of a run; tests/retention and tests/activities stop them at these. */
const COLLECTION = NAMES.filter((name) => name.startsWith('gc') || name.startsWith('forget'));
/** Of child tables, which the example has not; tests/elt/load kills and freezes a load at these. */
const CHILDREN = NAMES.filter((name) => name.startsWith('children'));
const ELSEWHERE = [...SPOOL, ...HTTP, ...INCREMENT, ...LANDING, ...RETRY, ...COLLECTION, ...CHILDREN];
const IN_A_RUN = NAMES.filter((name) => !ELSEWHERE.includes(name));

describe('a worker that dies at every named point of one run', { timeout: 800_000 }, () => {
  let stack: TestStack;
  let reached: string[] = [];
  let status = '';
  beforeAll(async () => {
    stack = await createFaultsStack({ parts: { files: 1, rows: 60_000 } });
    const log = join(stack.root, 'failpoints.log');
    await stack.plumbline(['up'], {
      env: { PLUMBLINE_FAILPOINTS: IN_A_RUN.map((name) => `${name}=kill`).join(','), PLUMBLINE_FAILPOINT_LOG: log },
    });
    status = await endOf(stack, await startRun(stack), 700_000);
    reached = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((name) => name !== '');
  }, 800_000);
  afterAll(() => stack.destroy(), 60_000);

  it.each(IN_A_RUN)('dies at %s', (name) => expect(reached).toContain(name));

  it('dies once at each', () => expect(reached.length).toBe(new Set(reached).size));

  it('completes by itself', () => expect(status).toBe('succeeded'));

  it('leaves every row, one model version that serves, and nothing else', async () => {
    const rows = Object.fromEntries(
      Object.entries(await contents(stack)).map(([table, content]) => [table, content.rows]),
    );
    expect(rows).toEqual({
      'bike_demand_dev.demand': 17_379,
      'bike_demand_dev_raw.parts': 60_000,
      'bike_demand_dev_raw.rides': 17_379,
    });
    await expectNothingLeft(stack);
    await expectOneVersionPerModel(stack);
    const versions = await stack.query('SELECT model, version FROM plumbline.model_versions');
    expect(versions).toEqual([{ model: 'bike-demand', version: 1 }]);
    const served = await stack.query('SELECT model, version, epoch::int AS epoch FROM plumbline.serving_pointer');
    expect(served).toEqual([{ model: 'bike-demand', version: 1, epoch: 1 }]);
    expect(await stack.query('SELECT count(*)::int AS changes FROM plumbline.pointer_history')).toEqual([
      { changes: 1 },
    ]);
    await expectNoProcess(stack);
  });
});
