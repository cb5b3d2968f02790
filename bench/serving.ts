/**
 * Requests per second of one serving process, one row a request, 50 connections, prediction log on (log: spool).
 * Starts the server as a process of its own and drives it over raw sockets, so that the load costs little of the same machine.
 * Run: npm run bench -- serving
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promote } from '../src/deployment/promote.js';
import { registerVersion } from '../src/deployment/register-version.js';
import { openDirectoryStore } from '../src/storage/artifact-store.js';
import { openDatabase } from '../src/storage/database.js';
import { migrate } from '../src/storage/migrations.js';
import { newVersion } from '../tests/deployment/new-version.js';

const CONNECTIONS = 50;
const SECONDS = Number(process.env['SECONDS'] ?? 5);
const url = process.env['PLUMBLINE_DATABASE_URL'];
if (url === undefined) throw new Error('PLUMBLINE_DATABASE_URL: expected the address of an empty database');

const home = await mkdtemp(join(tmpdir(), 'plumbline-bench-'));
await migrate(url);
const database = openDatabase({ url, max: 2 });
const store = openDirectoryStore(join(home, 'store'));
await store.put(readFileSync(new URL('../tests/fixtures/onnx/demand-v1.onnx', import.meta.url)));
const { version } = await registerVersion({ database, version: newVersion() });
await promote({ database, env: 'dev', project: 'bikes', model: 'demand', version, who: 'bench', reason: 'bench' });

const loader = fileURLToPath(new URL('../tests/setup/typescript-loader.mjs', import.meta.url));
const main = fileURLToPath(new URL('../tests/serving/server-process.ts', import.meta.url));
const server = spawn(process.execPath, ['--import', loader, main], {
  env: {
    ...process.env,
    DATABASE: url,
    STORE: join(home, 'store'),
    SPOOL: join(home, 'spool'),
    LOG: 'spool',
    SEGMENT_BYTES: '8388608',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const address = await new Promise<string>((resolve) =>
  server.stdout.once('data', (data: Buffer) => resolve(data.toString().trim())),
);
let total = 0;
try {
  for (const [name, path, body] of [
    ['predict', '/models/demand/predict', { temperature: 1, season: 'summer' }],
    [
      'infer (v2)',
      '/v2/models/demand/infer',
      {
        inputs: [
          { name: 'temperature', shape: [1, 1], datatype: 'FP32', data: [1] },
          { name: 'season', shape: [1, 1], datatype: 'BYTES', data: ['summer'] },
        ],
      },
    ],
  ] as const) {
    total += (await drive(path, body, 1)).answers;
    const { answers, latencies } = await drive(path, body, SECONDS);
    total += answers;
    latencies.sort((a, b) => a - b);
    const at = (share: number) => latencies[Math.floor(latencies.length * share)]!.toFixed(1);
    console.log(
      `${name.padEnd(10)} ${Math.round(answers / SECONDS)} requests/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms`,
    );
  }
  const [copied] = await database.query<{ rows: string }>('SELECT count(*) AS rows FROM plumbline.predictions');
  console.log(`${copied!.rows} of ${total} predictions are in PostgreSQL when the load ends`);
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]!.model}`);
} finally {
  server.kill('SIGTERM');
  await new Promise((resolve) => server.once('exit', resolve));
  await database.close();
  await rm(home, { recursive: true, force: true });
}

/** Each connection sends its next request when it has its answer. */
async function drive(path: string, body: unknown, seconds: number): Promise<{ answers: number; latencies: number[] }> {
  const { hostname, port } = new URL(address);
  const text = JSON.stringify(body);
  const request = `POST ${path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from(
      { length: CONNECTIONS },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(Number(port), hostname, () => socket.write(request));
          let began = performance.now();
          socket.setNoDelay();
          socket.on('data', (data: Buffer) => {
            if (!data.toString('latin1', 0, 12).endsWith('200')) return reject(new Error(data.toString()));
            const now = performance.now();
            latencies.push(now - began);
            if (now > end) {
              socket.end();
              return resolve();
            }
            began = now;
            socket.write(request);
          });
          socket.on('error', reject);
        }),
    ),
  );
  return { answers: latencies.length, latencies };
}
