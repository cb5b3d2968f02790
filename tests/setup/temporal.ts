import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { resolveTemporalBinary } from '../../src/embedded/binaries/resolve-binary.js';
import { temporalServerArguments, temporalIsReady } from '../../src/embedded/temporal-server.js';

export interface TestTemporal {
  /** `host:port` for `Connection.connect({ address })`. */
  readonly address: string;
  readonly uiUrl: string;
  readonly namespace: string;
  stop(): Promise<void>;
}

export interface TestTemporalOptions {
  /** @default `default` */
  readonly namespace?: string;
  /** Whether the namespace knows plumbline's search attributes; false gives a bare one. @default true */
  readonly searchAttributes?: boolean;
  /** Keeps histories in this file over restarts. @default in memory */
  readonly databaseFile?: string;
  /** Events after which the server suggests that a workflow continues as a new one. @default the server's own, 4,096 */
  readonly longHistoryEvents?: number;
}

/** Starts a real Temporal dev server of its own for one test file. Call `stop()` in afterAll. */
export async function startTestTemporal(options: TestTemporalOptions = {}): Promise<TestTemporal> {
  const { path } = await resolveTemporalBinary({ report: (line) => console.log(line) });
  const namespace = options.namespace ?? 'default';
  const [port, uiPort] = [await freePort(), await freePort()];
  const { longHistoryEvents } = options;
  const limits =
    longHistoryEvents === undefined
      ? []
      : [`--dynamic-config-value=limit.historyCount.suggestContinueAsNew=${longHistoryEvents}`];
  const server = spawn(
    path,
    [
      ...temporalServerArguments({
        port,
        uiPort,
        namespace,
        searchAttributes: options.searchAttributes ?? true,
        ...(options.databaseFile === undefined ? {} : { databaseFile: options.databaseFile }),
      }),
      ...limits,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const kill = (): void => void server.kill('SIGKILL');
  process.once('exit', kill);
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  for (const deadline = Date.now() + 30_000; !(await temporalIsReady({ uiPort, namespace }));) {
    if (server.exitCode !== null) throw new Error(`the test Temporal server ended with ${server.exitCode}`);
    if (Date.now() > deadline) throw new Error('the test Temporal server was not ready in 30 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    address: `127.0.0.1:${port}`,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    namespace,
    async stop() {
      process.off('exit', kill);
      server.kill('SIGKILL');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
