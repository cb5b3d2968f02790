import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { followRun } from '../../src/cli/follow-run.js';
import { exitCodeOf } from '../../src/cli/print-error.js';
import type { TemporalConnection } from '../../src/client/connect.js';
import { openDatabase, type OpenDatabase } from '../../src/storage/database.js';
import { closeRunRow } from '../../src/storage/close-run.js';
import { insertRun } from '../../src/storage/runs.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

/** A way to a server that can be cut and made again at the same port, as when the server restarts. */
class Door {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;
  constructor(readonly target: number) {}

  async open(): Promise<void> {
    const server = createServer((incoming) => {
      const outgoing = connect(this.target, '127.0.0.1');
      for (const socket of [incoming, outgoing]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => this.#sockets.delete(socket));
      }
      incoming.pipe(outgoing).pipe(incoming);
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

let test: TestDatabase;
let door: Door;
let database: OpenDatabase;
let temporal: TemporalConnection;
beforeAll(async () => {
  test = await createTestDatabase();
  const url = new URL(test.url);
  door = new Door(Number(url.port));
  await door.open();
  url.port = String(door.port);
  database = openDatabase({ url: url.href, max: 2, connectTimeoutMs: 500 });
  // Nothing listens there: a Temporal that is away.
  const connection = Connection.lazy({ address: '127.0.0.1:9' });
  temporal = { client: new Client({ connection }), namespace: 'default', close: () => connection.close() };
});
afterAll(async () => {
  await temporal.close();
  await database.close();
  door.close();
  await test.drop();
});

let runId: string;
let runs = 0;
beforeEach(async () => {
  runId = `run${runs++}`;
  await insertRun(test.database, {
    run_id: runId,
    env: 'dev',
    project: 'shop',
    workflow_id: 'dev/shop/pipeline/latest',
    stages: ['elt'],
    bundle: 'b',
    options: {},
    retry_of: null,
    started_by: 'test',
  });
});

function follow(patienceMs: number) {
  const { signal } = new AbortController();
  const workflowId = 'dev/shop/pipeline/latest';
  return followRun({ database, temporal, runId, workflowId, show: false, signal, patienceMs });
}

const comeBack = () => ({
  message: expect.stringMatching(
    new RegExp(`^Following run ${runId} failed, for \\d s: .+\\. The run goes on by itself\\.$`),
  ) as string,
  next: `Come back with \`plumbline runs watch ${runId}\`.`,
  details: { runId },
});

describe('following a run', () => {
  it('outlives a restart of PostgreSQL', async () => {
    const following = follow(10_000);
    await sleep(300);
    door.close();
    await sleep(1_000);
    await door.open();
    await closeRunRow(test.database, runId, 'succeeded', undefined, {});
    expect(await following).toMatchObject({ detached: false, run: { run_id: runId, status: 'succeeded' } });
  });

  it('ends with exit code 3 when PostgreSQL stays away, and says how to come back', async () => {
    door.close();
    try {
      const error = await follow(1_000).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'PG_UNREACHABLE', ...comeBack() });
      expect(exitCodeOf(error)).toBe(3);
    } finally {
      await door.open();
    }
  });

  it('outlives a Temporal that is away while the run ends, and says once that no worker lives', async () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const following = follow(20_000);
    // Longer than the first question to Temporal takes to fail.
    await sleep(8_000);
    await closeRunRow(test.database, runId, 'succeeded', undefined, {});
    expect(await following).toMatchObject({ detached: false, run: { status: 'succeeded' } });
    expect(said.mock.calls.map(([line]) => line)).toEqual([
      expect.stringMatching(/^ {2}! No worker has given a sign of life for 20 s, .*`plumbline up`/),
    ]);
    said.mockRestore();
  });

  it('ends with exit code 3 when Temporal stays away, and says how to come back', async () => {
    const error = await follow(1_000).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'TEMPORAL_UNREACHABLE', ...comeBack() });
    expect(exitCodeOf(error)).toBe(3);
  });
});
