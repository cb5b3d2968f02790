import { join } from 'node:path';
import type { PartDefinition } from './part.js';
import type { PortBook } from './port-book.js';
import { temporalIsReady, temporalServerArguments } from './temporal-server.js';

/** The Temporal development server as a part of the stack; histories are kept in `.plumbline/temporal.db`. */
export function temporalPart(options: {
  readonly program: string;
  readonly namespace: string;
  readonly ports: PortBook;
  readonly stateDir: string;
  readonly logsDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly adopted: boolean;
}): PartDefinition {
  const { ports, namespace } = options;
  let everReady = options.adopted;
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
    async isReady() {
      const uiPort = ports.get('temporalUi');
      const isReady = uiPort !== undefined && (await temporalIsReady({ uiPort, namespace }));
      everReady ||= isReady;
      return isReady;
    },
  };
}
