import { join } from 'node:path';
import type { Secret } from '../config.js';
import type { DatabaseTasks } from './database-tasks.js';
import type { PartDefinition } from './part.js';

/** One worker for all queues as a part of the stack; ready when it has stamped its row in PostgreSQL. */
export function workerPart(options: {
  readonly cli: string;
  readonly root: string;
  readonly databaseUrl: Secret;
  readonly database: DatabaseTasks;
  readonly logsDir: string;
  readonly env: NodeJS.ProcessEnv;
}): PartDefinition {
  return {
    name: 'worker',
    logFile: join(options.logsDir, 'worker.log'),
    // Longer than the worker gives itself to finish what it does.
    stop: { graceMs: 25_000 },
    launch: async () => ({
      command: [process.execPath, options.cli, 'worker', '--queues', 'default,heavy'],
      cwd: options.root,
      env: options.env,
    }),
    isReady: ({ pid }) => options.database.workerSeen(options.databaseUrl.reveal(), pid).catch(() => false),
  };
}
