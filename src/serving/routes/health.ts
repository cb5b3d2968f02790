import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../server-context.js';

/**
 * `/v2/health/live`: the process answers. `/v2/health/ready`: every model that should serve does (an older version counts), and
 * predictions can be logged; a project without a model is ready. `/v2/health`: the same with the reasons, always 200.
 */
export function healthRoutes(app: FastifyInstance, context: ServerContext): void {
  app.get('/v2/health/live', () => ({ live: true }));
  app.get('/v2/health/ready', async (_request, reply) => {
    const health = describeHealth(context);
    return reply.status(health.ready ? 200 : 503).send(health);
  });
  app.get('/v2/health', () => describeHealth(context));
}

function describeHealth({ host, log, env, project }: ServerContext) {
  const models = host.states().map(({ name, model, refusal }) => ({
    name,
    ready: model !== undefined,
    ...(model === undefined ? {} : { version: model.version.version, loadedAt: model.loadedAt }),
    ...(refusal === undefined
      ? {}
      : { refused: { version: refusal.version, code: refusal.code, error: refusal.error } }),
  }));
  const { databaseError } = host;
  // Without any answer from PostgreSQL yet, nobody knows which models there should be.
  const known = databaseError === undefined || models.some(({ ready }) => ready);
  return {
    ready: known && models.every(({ ready }) => ready) && !log.isFull,
    env,
    project,
    models,
    database: databaseError === undefined ? { reachable: true } : { reachable: false, error: databaseError },
    predictionLog: { pendingBytes: log.pendingBytes, full: log.isFull },
  };
}
