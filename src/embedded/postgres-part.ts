import { join } from 'node:path';
import type { PartDefinition } from './part.js';
import type { PortBook } from './port-book.js';
import type { PostgresAccount } from './postgres-account.js';
import { clearAfterKill, dataFolder, postgresCommand, postgresIsReady } from './postgres.js';

/** PostgreSQL as a part of the stack; its data folder exists. */
export function postgresPart(options: {
  readonly account: PostgresAccount;
  readonly ports: PortBook;
  readonly logsDir: string;
  readonly env: NodeJS.ProcessEnv;
}): PartDefinition {
  const { account, ports } = options;
  const data = dataFolder(account);
  let everReady = false;
  return {
    name: 'postgres',
    logFile: join(options.logsDir, 'postgres.log'),
    // SIGINT is PostgreSQL's fast shutdown: it ends sessions, rolls back and writes a checkpoint.
    stop: { signal: 'SIGINT', graceMs: 20_000 },
    async launch() {
      await clearAfterKill(data);
      const port = await ports.choose('postgres', { keep: everReady, usual: [5433, 5434, 5435] });
      return {
        command: postgresCommand(account, port),
        cwd: account.home,
        env: options.env,
        user: account.user,
      };
    },
    async isReady(process) {
      const isReady = await postgresIsReady(data, process);
      everReady ||= isReady;
      return isReady;
    },
    afterEnd: () => clearAfterKill(data),
  };
}
