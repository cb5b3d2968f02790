import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { createStack, type TestStack } from '../support/stack.js';

export interface FaultsProject {
  /** Rows of `trips`, one file that is replaced as a whole. */
  readonly trips?: number;
  /** Files of `parts`, merged by id. */
  readonly parts?: { readonly files: number; readonly rows: number };
  /** A transform `slow` that takes this long. */
  readonly slowSeconds?: number;
  /** A yaml line under `train:`, e.g. a slower trainer. */
  readonly trainer?: string;
}

export const SCHEMAS = { raw: 'bike_demand_dev_raw', main: 'bike_demand_dev', stage: 'bike_demand_dev_stage' } as const;

/** A copy of examples/bike-demand, with generated tables beside its own that take long enough to be killed in. */
export async function createFaultsStack({
  trips,
  parts,
  slowSeconds,
  trainer,
}: FaultsProject = {}): Promise<TestStack> {
  const stack = await createStack();
  const sources: string[] = [];
  if (trips !== undefined) {
    await writeTrips(join(stack.root, 'data', 'trips.csv'), 0, trips);
    sources.push('  trips: { path: data/trips.csv }');
  }
  if (parts !== undefined) {
    await mkdir(join(stack.root, 'data', 'parts'));
    for (let file = 0; file < parts.files; file++)
      await writeTrips(join(stack.root, 'data', 'parts', `${file}.csv`), file * parts.rows, parts.rows);
    sources.push('  parts: { path: data/parts/*.csv, primary_key: id, write: merge }');
  }
  if (slowSeconds !== undefined)
    await writeFile(join(stack.root, 'sql', 'slow.sql'), `SELECT 1 AS one, pg_sleep(${slowSeconds})::text AS waited\n`);
  const path = join(stack.root, 'plumbline.yaml');
  const yaml = (await readFile(path, 'utf8'))
    .replace(/^sources:$/m, ['sources:', ...sources].join('\n'))
    .replace(/^train:$/m, trainer === undefined ? 'train:' : `train:\n  ${trainer}`);
  await writeFile(path, yaml);
  return stack;
}

/** Rows that are all different and the same each time, so that a lost, doubled or torn one shows in a checksum. */
async function writeTrips(path: string, from: number, rows: number): Promise<void> {
  const file = createWriteStream(path);
  file.write('id,station,minutes,price,note\n');
  for (let start = from; start < from + rows; start += 10_000) {
    const lines: string[] = [];
    for (let id = start; id < Math.min(start + 10_000, from + rows); id++)
      lines.push(
        `${id},st-${(id * 7919) % 613},${(id * 31) % 997},${((id * 17) % 10_007) / 100},note ${(id * 2_654_435_761) % 4_294_967_296}\n`,
      );
    if (!file.write(lines.join(''))) await once(file, 'drain');
  }
  file.end();
  await finished(file);
}
