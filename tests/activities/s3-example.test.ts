import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startProxy, startS3, type Proxy, type S3Server } from '../support/s3-server.js';
import { createWorkbench, type Workbench } from './workbench.js';

const example = new URL('../../examples/s3-lake', import.meta.url).pathname;
let bench: Workbench;
let server: S3Server;
let proxy: Proxy;

beforeAll(async () => {
  [bench, server] = await Promise.all([createWorkbench({}), startS3()]);
  proxy = await startProxy(server.endpoint);
  await cp(example, bench.root, { recursive: true });
  const yaml = await readFile(join(example, 'plumbline.yaml'), 'utf8');
  await bench.write({ 'plumbline.yaml': yaml.replace('http://127.0.0.1:9000', proxy.endpoint) });
  for (const name of await readdir(join(example, 'lake/rides')))
    await server.put(`rides/${name}`, await readFile(join(example, 'lake/rides', name)));
  vi.stubEnv('PLUMBLINE_PROJECT_ENV', 'LAKE_*');
  vi.stubEnv('LAKE_KEY', server.credentials.accessKeyId);
  vi.stubEnv('LAKE_SECRET', server.credentials.secretAccessKey);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await proxy.close();
  await Promise.all([bench.destroy(), server.close()]);
});

async function load(runId: string): Promise<readonly unknown[]> {
  const { run, plan } = await bench.open(runId, ['elt'], { project: 's3-lake' });
  const { loads } = await bench.elt(run, plan);
  await bench.close(run);
  return loads.map(({ tableRows }) => tableRows);
}
const fetched = (): string[] =>
  proxy.requests.flatMap((request) => /^GET \/lake\/(rides\/[^ ?]+)/.exec(request)?.[1] ?? []);

it('gives what its README says, and fetches only the file that is new', async () => {
  expect(await load('run-1')).toEqual([5]);
  const days = 'SELECT day::text, rides::int, minutes::int FROM s3_lake_dev.rides_by_day ORDER BY day';
  expect(await bench.test.database.query(days)).toEqual([
    { day: '2024-05-30', rides: 2, minutes: 23 },
    { day: '2024-05-31', rides: 1, minutes: 21 },
    { day: '2024-06-01', rides: 2, minutes: 47 },
  ]);
  expect(fetched().sort()).toEqual(['rides/2024-05.csv', 'rides/2024-06.csv']);
  await server.put('rides/2024-07.csv', 'ride_id,started_at,minutes\n6,2024-07-01 09:00:00,3\n');
  expect(await load('run-2')).toEqual([6]);
  expect(fetched()).toHaveLength(3);
});
