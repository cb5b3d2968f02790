import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pino } from 'pino';
import { openStepOutput } from '../../src/activities/step-output.js';
import { register } from '../../src/cli/commands/runs.js';
import { printed } from '../support/command.js';
import { createWorkbench, type Workbench } from './workbench.js';

const SOURCE = `import { existsSync, writeFileSync } from 'node:fs';
export default {
  *noisy({ config }) {
    console.log('token ' + config.token + ' \\u001b[31mred\\u001b[0m');
    if (!existsSync(config.marker)) {
      writeFileSync(config.marker, '');
      console.error('about to end');
      process.kill(process.pid, 'SIGKILL');
    }
    for (let line = 0; line < 30_000; line++) console.log(String(line).padStart(99, '.'));
    yield { id: 1 };
  },
  *quiet() { yield { id: 1 }; },
};
`;
const PARSER = `export default function* (object) { console.log('parsing ' + object.name.split('/').at(-1)); yield { id: 1 }; }`;

const cwd = process.cwd();
let bench: Workbench;
beforeAll(async () => {
  bench = await createWorkbench({ 'source.ts': SOURCE, 'parser.mjs': PARSER, 'data/a.txt': 'x' });
  await bench.write({
    'plumbline.yaml': `name: shop
sources:
  shop:
    type: plugin
    module: source.ts
    config: { marker: "${bench.root}/killed", token: env:SHOP_KEY }
    resources: { noisy: {}, quiet: {} }
  letters: { type: files, path: data/a.txt, parse: parser.mjs }
`,
  });
  vi.stubEnv('SHOP_KEY', 's3cr3t');
  vi.stubEnv('PLUMBLINE_DATABASE_URL', bench.test.url);
  process.chdir(bench.root);
}, 60_000);
afterAll(async () => {
  process.chdir(cwd);
  vi.unstubAllEnvs();
  await bench.destroy();
});

const logs = (...words: string[]): Promise<string> => printed(register, 'runs', 'logs', ...words);

it('keeps what programs print, the last MiB of a step, for any machine to read while it runs', async () => {
  const { run, plan } = await bench.open('run-logs', ['elt']);
  expect(await logs('run-logs')).toBe('no program of run run-logs has printed anything yet\n');
  const extract = () => bench.call('extractResource', { run, resource: 'shop.noisy' });
  const failure = await extract().catch((error: unknown) => error);
  expect(failure).toMatchObject({
    message: expect.stringContaining('was ended by SIGKILL. Its last words: about to end') as string,
    details: [{ next: expect.stringContaining('`plumbline runs logs run-logs`') as string }],
  });
  expect(await logs('run-logs')).toMatch(
    /^==> extract shop.noisy, \d\d:\d\d:\d\d UTC <==\ntoken \*\*\* red\nabout to end\n$/,
  );

  const followed = logs('run-logs', '--follow', '--json', '--resource', 'shop.noisy');
  await bench.elt(run, plan);
  await bench.close(run);
  type Line = { step: string; attempt: number; line: number; text: string };
  const lines = (await followed).trimEnd().split('\n').map((line) => JSON.parse(line) as Line); // prettier-ignore
  expect(lines.slice(0, 2)).toMatchObject([
    { step: 'extract:shop.noisy', attempt: 1, line: 1, text: 'token *** red' },
    { attempt: 1, line: 2, text: 'about to end' },
  ]);
  const last = lines.at(-1)!;
  // Two lines of the first attempt, one before those of the loop.
  expect(last).toMatchObject({ attempt: 2, line: 30_003, text: '29999'.padStart(99, '.') });

  const kept = await logs('run-logs', '--resource', 'shop.noisy');
  const [, cut, ...rest] = kept.trimEnd().split('\n');
  const bytes = rest.join('\n').length + 1;
  expect(bytes).toBeLessThanOrEqual(1 << 20);
  expect(bytes).toBeGreaterThan((1 << 20) - (65 << 10));
  expect(cut).toBe(
    `… ${(30_003 - rest.length).toLocaleString('en')} lines are not kept: only the last MiB of a step is`,
  );
  expect(rest).toEqual(Array.from({ length: rest.length }, (_, index) => String(30_000 - rest.length + index).padStart(99, '.'))); // prettier-ignore

  expect(await logs('run-logs', '--resource', 'letters')).toMatch(/^==> load letters \(data\/a\.txt\), .* <==\nparsing a\.txt\n$/); // prettier-ignore
  expect(await logs('run-logs', '--resource', 'shop.quiet')).toBe('no program of run run-logs has printed anything\n');
  await expect(logs('run-logs', '--resource', 'nosy')).rejects.toMatchObject({ code: 'RUN_STEP_MISSING', message: expect.stringContaining('it has letters, shop.noisy, shop.quiet') as string }); // prettier-ignore
});

it('loses no line while PostgreSQL is away, and what a step prints is never its failure', async () => {
  const { run } = await bench.open('run-away', ['elt']);
  const { database } = bench.test;
  let isAway = true;
  const flaky = Object.assign(Object.create(database) as typeof database, {
    transaction: (...work: Parameters<typeof database.transaction>) =>
      isAway ? Promise.reject(new Error('away')) : database.transaction(...work),
  });
  const at = { runId: 'run-away', step: 'extract:x', attempt: 1 };
  const output = openStepOutput({ database: flaky, log: pino({ level: 'silent' }) }, at);
  output.add('one');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  output.add('two');
  isAway = false;
  await output.close();
  expect(await logs('run-away')).toContain('one\ntwo\n');
  isAway = true;
  output.add('three');
  await output.close();
  await bench.close(run);
});
