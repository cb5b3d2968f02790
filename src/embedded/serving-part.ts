import { join } from 'node:path';
import type { PartDefinition } from './part.js';
import type { PortBook } from './port-book.js';
import { listensOn } from './processes/listens-on.js';

/** The prediction server as a part of the stack. */
export function servingPart(options: {
  readonly cli: string;
  readonly root: string;
  readonly ports: PortBook;
  /** A port the user asks for; then no other is taken. */
  readonly port: number | undefined;
  readonly logsDir: string;
  readonly env: NodeJS.ProcessEnv;
}): PartDefinition {
  const { ports } = options;
  return {
    name: 'serving',
    logFile: join(options.logsDir, 'serving.log'),
    stop: { graceMs: 10_000 },
    async launch() {
      if (options.port !== undefined) ports.set('serving', options.port);
      const keep = options.port !== undefined;
      const port = await ports.choose('serving', { keep, usual: [8400, 8401, 8402] });
      return {
        command: [process.execPath, options.cli, 'serve', '--host', '127.0.0.1', '--port', String(port)],
        cwd: options.root,
        env: options.env,
      };
    },
    async isReady({ pid }) {
      const port = ports.get('serving');
      return port !== undefined && ownServingIsLive(pid, port);
    },
  };
}

/** Whether the prediction server on this port answers, and is this process. */
export async function ownServingIsLive(pid: number, port: number): Promise<boolean> {
  return (await listensOn(pid, port)) && servingIsLive(`http://127.0.0.1:${port}`);
}

/** Asks the server's liveness address of the Open Inference Protocol. */
export async function servingIsLive(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v2/health/live`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
