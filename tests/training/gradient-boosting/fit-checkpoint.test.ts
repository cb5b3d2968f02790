import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FitBoostingOptions } from '../../../src/training/gradient-boosting/boosting-model.js';
import { fitGradientBoosting } from '../../../src/training/gradient-boosting/fit-gradient-boosting.js';
import { uniform } from '../../../src/training/gradient-boosting/row-hash.js';
import { serializeBoosting } from '../../../src/training/gradient-boosting/serialize-boosting.js';
import { syntheticRows } from './synthetic-rows.js';

const TREES = 20;
const { X, y } = syntheticRows(6000, 2);
const options: FitBoostingOptions = { X, y, objective: 'regression', seed: 9, parameters: { nEstimators: TREES } };

/** A checkpoint in memory, with every save. */
function memoryCheckpoint(everyIterations: number) {
  const saves: Uint8Array[] = [];
  return {
    saves,
    everyIterations,
    load: async () => saves.at(-1),
    save: async (bytes: Uint8Array) => void saves.push(bytes),
  };
}

async function firstIteration(fit: FitBoostingOptions): Promise<{ first: number | undefined; bytes: Uint8Array }> {
  const seen: number[] = [];
  const model = await fitGradientBoosting({ ...fit, onProgress: ({ iteration }) => seen.push(iteration) });
  return { first: seen[0], bytes: serializeBoosting(model) };
}

describe('a checkpoint', () => {
  test('lets an aborted fit go on to the same bytes', async () => {
    const whole = serializeBoosting(await fitGradientBoosting(options));
    const checkpoint = memoryCheckpoint(5);
    const controller = new AbortController();
    const onProgress = ({ iteration }: { iteration: number }): void => {
      if (iteration === 12) controller.abort();
    };
    await expect(
      fitGradientBoosting({ ...options, checkpoint, onProgress, signal: controller.signal }),
    ).rejects.toThrow();
    expect(checkpoint.saves.length).toBeGreaterThan(0);
    const { first, bytes } = await firstIteration({ ...options, checkpoint, threads: 1 });
    expect(first).toBeGreaterThan(5);
    expect(bytes).toEqual(whole);
  });

  test('of a finished fit gives the model without training', async () => {
    const checkpoint = memoryCheckpoint(TREES);
    const model = await fitGradientBoosting({ ...options, checkpoint });
    const { first, bytes } = await firstIteration({ ...options, checkpoint });
    expect(first).toBeUndefined();
    expect(bytes).toEqual(serializeBoosting(model));
  });

  test.each<[string, Partial<FitBoostingOptions>]>([
    ['seed', { seed: 10 }],
    ['parameters', { parameters: { nEstimators: TREES, l2: 1 } }],
    ['target', { y: y.with(0, 100) }],
    ['features', { X: { rows: X.rows, columns: X.columns.with(0, X.columns[0]!.with(0, 100)) } }],
  ])('of another %s is not used', async (_, change) => {
    const checkpoint = memoryCheckpoint(10);
    await fitGradientBoosting({ ...options, checkpoint });
    expect((await firstIteration({ ...options, ...change, checkpoint })).first).toBe(1);
  });

  test('that was cut is not used', async () => {
    const checkpoint = memoryCheckpoint(10);
    await fitGradientBoosting({ ...options, checkpoint });
    checkpoint.saves.push(checkpoint.saves.at(-1)!.subarray(0, -7));
    expect((await firstIteration({ ...options, checkpoint })).first).toBe(1);
  });

  test('that cannot be saved fails the fit with the cause', async () => {
    const cause = new Error('disk full');
    const checkpoint = { load: async () => undefined, save: () => Promise.reject(cause), everyIterations: 10 };
    await expect(fitGradientBoosting({ ...options, checkpoint })).rejects.toBe(cause);
  });
});

describe('a process that is killed', () => {
  let folder = '';
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'plumbline-boosting-'))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  // What runs in the process: the compiled fit on rows made by formula, with its checkpoint in a file.
  const fit = new URL('../../../dist/training/gradient-boosting/fit-gradient-boosting.js', import.meta.url);
  const script = `
    import { readFile, rename, writeFile } from 'node:fs/promises';
    import { fitGradientBoosting } from '${fit}';
    import { serializeBoosting } from '${new URL('serialize-boosting.js', fit)}';
    const [folder, threads] = process.argv.slice(1);
    const rows = 20000;
    const columns = [3, 7, 11, 13].map((k) => Float32Array.from({ length: rows }, (_, i) => Math.sin(i * k) * 100));
    const y = Float64Array.from({ length: rows }, (_, i) => columns[0][i] * columns[1][i] + (columns[2][i] > 0 ? 500 : 0));
    const checkpoint = {
      everyIterations: 5,
      load: () => readFile(folder + '/checkpoint').catch(() => undefined),
      async save(bytes) {
        await writeFile(folder + '/checkpoint.new', bytes);
        await rename(folder + '/checkpoint.new', folder + '/checkpoint');
      },
    };
    let first;
    const model = await fitGradientBoosting({
      X: { rows, columns }, y, objective: 'regression', seed: 3, threads: Number(threads), checkpoint,
      onProgress: ({ iteration }) => (first ??= iteration),
    });
    await writeFile(folder + '/first', String(first));
    await writeFile(folder + '/model', serializeBoosting(model));
  `;

  function start(threads: number, environment: Record<string, string> = {}) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder, String(threads)], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return {
      child,
      ended: new Promise<NodeJS.Signals | number | null>((resolve) =>
        child.once('exit', (code, signal) => resolve(signal ?? code)),
      ),
    };
  }

  async function wholeModel(): Promise<Buffer> {
    await start(1).ended;
    const whole = await readFile(join(folder, 'model'));
    for (const name of ['model', 'checkpoint', 'first']) await rm(join(folder, name));
    return whole;
  }

  test('right after a checkpoint goes on from there to the same bytes', async () => {
    const whole = await wholeModel();
    const log = join(folder, 'failpoints');
    await writeFile(log, '');
    const failpoints = { PLUMBLINE_FAILPOINTS: 'train.after-checkpoint=kill@2', PLUMBLINE_FAILPOINT_LOG: log };
    expect(await start(2, failpoints).ended).toBe('SIGKILL');
    expect(await readFile(log, 'utf8')).toBe('train.after-checkpoint\n');
    expect(await start(1, failpoints).ended).toBe(0);
    expect(Number(await readFile(join(folder, 'first'), 'utf8'))).toBeGreaterThanOrEqual(11);
    expect(await readFile(join(folder, 'model'))).toEqual(whole);
  });

  test('at random moments until it is through ends with the same bytes', async () => {
    const whole = await wholeModel();
    const seed = Date.now() % 1_000_000;
    let kills = 0;
    for (let attempt = 0; !existsSync(join(folder, 'model')); attempt++) {
      const { child, ended } = start(1 + (attempt % 3));
      const timer = new AbortController();
      const delayMs = 250 + 120 * attempt + uniform(seed, attempt) * 400;
      const killed = sleep(delayMs, undefined, { signal: timer.signal }).then(
        () => child.kill('SIGKILL') && kills++,
        () => undefined,
      );
      await ended;
      timer.abort();
      await killed;
    }
    console.info(`seed ${seed}: ${kills} kills`);
    expect(kills).toBeGreaterThan(0);
    expect(await readFile(join(folder, 'model')), `seed ${seed}`).toEqual(whole);
  }, 90_000);
});
