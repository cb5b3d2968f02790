import { join } from 'node:path';
import type { StackState } from '../config.js';
import type { PartDefinition } from './part.js';
import type { PortBook } from './port-book.js';
import { listensOn } from './processes/listens-on.js';
import { temporalIsReady, temporalServerArguments } from './temporal-server.js';

/** The Temporal development server as a part of the stack; histories are kept in `.plumbline/temporal.db`. */
export function temporalPart(options: {
  readonly program: string;
  readonly namespace: string;
  readonly ports: PortBook;
  readonly stateDir: string;
  readonly logsDir: string;
  readonly env: NodeJS.ProcessEnv;
}): PartDefinition {
  const { ports, namespace } = options;
  let everReady = false;
  return {
    name: 'temporal',
    logFile: join(options.logsDir, 'temporal.log'),
    stop: { graceMs: 10_000 },
    async launch() {
      const port = await ports.choose('temporal', { keep: everReady, usual: [7233, 7234, 7235] });
      const uiPort = await ports.choose('temporalUi', { keep: everReady, usual: [8233, 8234, 8235] });
      const databaseFile = join(options.stateDir, 'temporal.db');
      return {
        command: [options.program, ...temporalServerArguments({ port, uiPort, namespace, databaseFile })],
        cwd: options.stateDir,
        env: options.env,
      };
    },
    async isReady({ pid }) {
      const isReady = await ownTemporalIsReady(pid, ports.all(), namespace);
      everReady ||= isReady;
      return isReady;
    },
  };
}

/** Whether the server on these ports answers for its namespace, and is this process. */
export async function ownTemporalIsReady(
  pid: number,
  { temporal, temporalUi }: StackState['ports'],
  namespace: string,
): Promise<boolean> {
  if (temporal === undefined || temporalUi === undefined) return false;
  if (!(await listensOn(pid, temporal)) || !(await listensOn(pid, temporalUi))) return false;
  return temporalIsReady({ uiPort: temporalUi, namespace });
}
