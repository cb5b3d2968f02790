import { hostname } from 'node:os';
import type { Command } from 'commander';
import { CONNECTIONS } from '../../storage/connection-budget.js';
import type { OpenDatabase } from '../../storage/database.js';

interface Options {
  readonly root: string;
  readonly temporal?: string;
  readonly temporalSource?: string;
  readonly serving: boolean;
}

/** The process behind `up`; not for people, so it is not listed. */
export function register(program: Command): void {
  program
    .command('supervise', { hidden: true })
    .requiredOption('--root <folder>')
    .option('--temporal <program>')
    .option('--temporal-source <text>')
    .option('--no-serving')
    .action(async (options: Options) => {
      const [{ supervise }, { createDatabase }, { migrate }, { openDatabase }, { liveWorkers }] = await Promise.all([
        import('../../embedded/supervise.js'),
        import('../../storage/create-database.js'),
        import('../../storage/migrations.js'),
        import('../../storage/database.js'),
        import('../../storage/workers.js'),
      ]);
      const control = new AbortController();
      process.on('SIGTERM', () => control.abort());
      process.on('SIGINT', () => control.abort());
      process.on('SIGHUP', () => {});
      const { root, temporal, temporalSource } = options;
      // Asked many times a second while a worker starts: logging in each time would cost more than the worker's start. Idle, its connection closes.
      const databases = new Map<string, OpenDatabase>();
      const databaseOf = (url: string): OpenDatabase => {
        const known = databases.get(url);
        if (known !== undefined) return known;
        const opened = openDatabase({ url, max: CONNECTIONS.supervisor, applicationName: 'plumbline supervisor' });
        databases.set(url, opened);
        return opened;
      };
      await supervise(
        {
          root,
          env: process.env,
          cli: process.argv[1] ?? '',
          ...(temporal === undefined ? {} : { temporal: { path: temporal, source: temporalSource ?? '' } }),
          serving: options.serving,
          log: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
          database: {
            create: createDatabase,
            migrate,
            async workerSeen(url, pid) {
              const workers = await liveWorkers(databaseOf(url), 10);
              return workers.some((worker) => worker.pid === pid && worker.host === hostname());
            },
          },
        },
        control.signal,
      );
    });
}
