import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { watchAlerts } from '../alerts/watch-alerts.js';
import { allowOwnStack } from '../model/allow-own-stack.js';
import { connectServing } from '../client/connect.js';
import { createWorkflowEnds } from '../client/workflow-ends.js';
import { loadSettings } from '../config.js';
import { projectName } from '../project/project-name.js';
import { createServer } from '../serving/create-server.js';
import { openStore } from '../storage/open-store.js';
import { VERSION } from '../version.js';

export interface ServeOptions {
  readonly env: string;
  readonly port?: number;
  readonly host?: string;
  readonly project?: string;
  readonly log: 'spool' | 'fsync';
  readonly spool?: string;
}

/** Serves until SIGTERM or SIGINT, then answers what is in flight and copies the prediction log. */
export async function serveCommand(options: ServeOptions): Promise<void> {
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const logger = pino({ level: process.env['PLUMBLINE_LOG_LEVEL'] ?? 'info' });
  allowOwnStack(settings, process.env);
  const database = connectServing(settings);
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
  try {
    const server = await createServer({
      database,
      store: openStore(settings),
      env: options.env,
      project: options.project ?? (await projectName(settings.root, options.env)),
      host: options.host ?? settings.serving.host,
      port: options.port ?? settings.serving.port,
      spoolDir: options.spool === undefined ? join(settings.stateDir, 'spool') : resolve(options.spool),
      logger,
      keys: serveKeys(process.env['PLUMBLINE_SERVE_KEYS']),
      log: options.log,
      serverVersion: VERSION,
    });
    // Missed starts are noticed, and told of, though no worker lives.
    const alerts = watchAlerts({
      database,
      environment: process.env,
      ends: createWorkflowEnds(settings),
      onError: (error) => logger.warn({ err: error }, 'looking for alerts failed'),
    });
    logger.info({ signal: await stopped }, 'stopping');
    await alerts.stop();
    await server.close();
  } finally {
    await database.close();
  }
}

function serveKeys(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
}
