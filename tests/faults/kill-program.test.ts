import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStack, waitFor, type TestStack } from '../support/stack.js';
import { endOf, expectSuccess, startRun } from './checks.js';

const SLOW = `import { defineSource } from 'plumbline';
import { setTimeout as sleep } from 'node:timers/promises';

export default defineSource<object, number>({
  async *slow({ state = 0, checkpoint }) {
    for (let id = state + 1; id <= 100; id++) {
      await sleep(30);
      yield { id, from: state };
      checkpoint(id);
    }
  },
});
`;

/** Says nothing, does not listen, and has a child that does not either. */
const HANGING = `import { spawn } from 'node:child_process';
import { defineSource } from 'plumbline';

export default defineSource({
  async *hanging() {
    process.removeAllListeners('SIGTERM').on('SIGTERM', () => {});
    spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000) // of hanging"]);
    await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    yield {};
  },
});
`;

describe("a source's program", { timeout: 240_000 }, () => {
  let stack: TestStack;
  let log = '';
  beforeAll(async () => {
    stack = await createStack(new URL('../../examples/own-sources', import.meta.url).pathname);
    await write('slow', SLOW, 'append');
    log = join(stack.root, 'failpoints.log');
    const PLUMBLINE_FAILPOINTS = 'landing.stored=kill@2,landing.recorded=kill@2';
    await stack.plumbline(['up'], { env: { PLUMBLINE_FAILPOINTS, PLUMBLINE_FAILPOINT_LOG: log } });
  }, 240_000);
  afterAll(() => stack.destroy(), 60_000);

  async function write(name: string, code: string, disposition: string): Promise<void> {
    await writeFile(join(stack.root, 'sources', `${name}.ts`), code);
    const source = `{ type: plugin, module: sources/${name}.ts, write: ${disposition} }`;
    await writeFile(join(stack.root, 'plumbline.yaml'), `name: own-sources\nsources:\n  ${name}: ${source}\n`);
  }
  const programs = async (): Promise<string[]> =>
    (await stack.processes()).filter((command) => /guard\.js|plugin-child\.js|of hanging/.test(command));

  it('ends with its worker, killed before and after a page is recorded, and the next one goes on behind the last checkpoint', async () => {
    const runId = await startRun(stack, ['load']);
    await waitFor('the program', async () => ((await programs()).length === 2 ? true : undefined));
    await expectSuccess(stack, runId);
    const reached = (await readFile(log, 'utf8')).trim().split('\n');
    expect(reached).toEqual(['landing.stored', 'landing.recorded']);
    const rows = await stack.query<{ id: number; from: number }>(
      'SELECT id::int, "from"::int FROM own_sources_dev_raw.slow ORDER BY id',
    );
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    const starts = [...new Set(rows.map(({ from }) => from))];
    expect(starts).toHaveLength(3);
    expect(starts[0]).toBe(0);
    expect(await programs()).toEqual([]);
  });

  it('that hangs and does not listen is ended by `runs cancel`, with what it has started', async () => {
    await write('hanging', HANGING, 'replace');
    const runId = await startRun(stack, ['load']);
    await waitFor('the program', async () => ((await programs()).length === 3 ? true : undefined));
    const cancelled = await stack.plumbline(['runs', 'cancel', runId]);
    expect(cancelled.code, cancelled.stderr).toBe(0);
    expect(await endOf(stack, runId)).toBe('cancelled');
    expect(await programs()).toEqual([]);
  });
});
