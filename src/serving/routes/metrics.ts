import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../server-context.js';

/** `GET /metrics` in Prometheus' text format. */
export function metricsRoute(app: FastifyInstance, { counters, log, host }: ServerContext): void {
  app.get('/metrics', async (_request, reply) => {
    const lines = [
      ...metric('plumbline_requests_total', 'counter', 'HTTP requests answered.', counters.requests),
      ...metric('plumbline_predictions_total', 'counter', 'Rows predicted and logged.', counters.predictions),
      ...metric('plumbline_refused_total', 'counter', 'Answers 400 to 499.', counters.refused),
      ...metric('plumbline_failed_total', 'counter', 'Answers 500 and above.', counters.failed),
      ...metric(
        'plumbline_spool_bytes',
        'gauge',
        'Bytes of the prediction log not yet in PostgreSQL.',
        log.pendingBytes,
      ),
      '# HELP plumbline_model_version Version that serves.',
      '# TYPE plumbline_model_version gauge',
      ...host
        .states()
        .flatMap(({ name, model }) =>
          model === undefined
            ? []
            : [`plumbline_model_version{model=${JSON.stringify(name)}} ${model.version.version}`],
        ),
    ];
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(`${lines.join('\n')}\n`);
  });
}

function metric(name: string, type: 'counter' | 'gauge', help: string, value: number): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${value}`];
}
