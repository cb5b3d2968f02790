import { isUtf8 } from 'node:buffer';
import { maxHeaderSize } from 'node:http';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { TerminalError } from '../errors.js';
import type { ArtifactStore } from '../model/artifact.js';
import type { Database } from '../model/database.js';
import { assertAccess, requireKeys } from './access.js';
import type { ServingErrorCode } from './errors.js';
import { ModelHost } from './model-host.js';
import { PredictionLog } from './prediction-log.js';
import { repeatedKey } from './repeated-key.js';
import { quoted, RequestError } from './request-error.js';
import { healthRoutes } from './routes/health.js';
import { metricsRoute } from './routes/metrics.js';
import { modelPageRoutes } from './routes/model-page.js';
import { openInferenceRoutes } from './routes/open-inference.js';
import { predictRoute } from './routes/predict.js';
import type { Counters, ServerContext } from './server-context.js';

export interface ServingOptions {
  /** Two connections are enough: one follows the pointers, one copies the prediction log. */
  readonly database: Database;
  readonly store: ArtifactStore;
  readonly env: string;
  readonly project: string;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Folder of the prediction log's local part. */
  readonly spoolDir: string;
  readonly logger: Logger;
  /** Bearer keys; needed when `host` is not loopback. */
  readonly keys?: readonly string[];
  /** What an acknowledged prediction survives: `spool` the process, `fsync` the machine. @default 'spool' */
  readonly log?: 'spool' | 'fsync';
  /** @default 256 MiB */
  readonly maxSpoolBytes?: number;
  /** @default 8 MiB */
  readonly segmentBytes?: number;
  /** Bound of a request body. @default 1 MiB */
  readonly bodyLimit?: number;
  /** Milliseconds between two looks at the serving pointers. @default 500 */
  readonly pollMs?: number;
  /** Shown by `GET /v2`. @default '0' */
  readonly serverVersion?: string;
}

export interface PredictionServer {
  /** `http://127.0.0.1:8400` */
  readonly url: string;
  readonly models: ModelHost;
  /** Answers what is in flight, copies the prediction log if PostgreSQL answers within 5 s, frees the models. */
  close(): Promise<void>;
}

const MEBIBYTE = 1024 * 1024;

/**
 * Serves a project's models over HTTP. Starts without a model, or with PostgreSQL away, and follows the pointers from then on.
 *
 * @throws TerminalError `SERVE_HOST_WITHOUT_KEYS`, `SERVE_PORT_TAKEN`
 */
export async function createServer(options: ServingOptions): Promise<PredictionServer> {
  const { database, store, env, project, logger, host = '127.0.0.1', keys = [] } = options;
  assertAccess(host, keys);
  const models = new ModelHost({ database, store, env, project, logger, pollMs: options.pollMs ?? 500 });
  const app = newApp(options.bodyLimit ?? MEBIBYTE);
  const counters: Counters = { requests: 0, predictions: 0, refused: 0, failed: 0 };
  const log = new PredictionLog({
    database,
    env,
    project,
    logger,
    spoolDir: options.spoolDir,
    durability: options.log ?? 'spool',
    maxSpoolBytes: options.maxSpoolBytes ?? 256 * MEBIBYTE,
    segmentBytes: options.segmentBytes ?? 8 * MEBIBYTE,
  });
  const context: ServerContext = { host: models, log, env, project, counters };
  requireKeys(app, keys);
  answerErrors(app, logger);
  count(app, counters);
  healthRoutes(app, context);
  openInferenceRoutes(app, context, options.serverVersion ?? '0');
  predictRoute(app, context);
  modelPageRoutes(app, context);
  metricsRoute(app, context);
  let closing: Promise<void> | undefined;
  const close = () =>
    (closing ??= app.close().then(async () => {
      await log.close(5_000);
      await models.stop();
    }));
  try {
    await models.start();
    log.start();
    const url = await listen(app, host, options.port);
    logger.info({ url, env, project }, 'serving');
    return { url, models, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function newApp(bodyLimit: number): FastifyInstance {
  const app = fastify({
    bodyLimit,
    logger: false,
    // A client that never finishes its request gives its connection back.
    requestTimeout: 30_000,
    forceCloseConnections: 'idle',
    // A column may be called __proto__; rows are read with hasOwn and never merged into an object.
    onProtoPoisoning: 'ignore',
    onConstructorPoisoning: 'ignore',
    // As long as Node lets a request's head be: a name of any length is looked up, and not found.
    routerOptions: { maxParamLength: maxHeaderSize },
    frameworkErrors: refuseUrl,
  });
  // An answer that quotes a request is JSON, whatever a browser finds in it.
  app.addHook('onRequest', (_request, reply, done) => {
    void reply.header('x-content-type-options', 'nosniff');
    done();
  });
  app.removeContentTypeParser('text/plain');
  const parse = app.getDefaultJsonParser('ignore', 'ignore');
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (!isUtf8(bytes)) return void done(notUtf8(), undefined);
    const body = bytes.toString();
    void parse(request, body, (error, value) => done(error ?? repeated(body), value));
  });
  return app;
}

/** Bytes that are no text would become U+FFFD: another value than the one that was sent. */
function notUtf8(): RequestError {
  return new RequestError(400, 'SERVE_BODY_INVALID', 'body: got bytes that are not UTF-8, expected JSON in UTF-8');
}

/** Of two values for one input none is right for sure. */
function repeated(body: string): RequestError | null {
  const key = repeatedKey(body);
  if (key === undefined) return null;
  const message = `key ${quoted(key)}: got it twice in one object, expected it once`;
  return new RequestError(400, 'SERVE_BODY_INVALID', message, key);
}

/** An address that cannot be decoded reaches no route, and so no error handler. */
function refuseUrl(_error: FastifyError, { url }: FastifyRequest, reply: FastifyReply): void {
  void reply.status(400).send({
    error: `address ${quoted(url)}: got a % that is not followed by two hexadecimal digits of UTF-8`,
    code: 'SERVE_URL_INVALID' satisfies ServingErrorCode,
  });
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new TerminalError('SERVE_PORT_TAKEN', `Listening on ${host}:${port} failed: another program has the port.`, {
      details: { host, port },
      next: 'Choose a free one with --port, or stop the other program.',
      cause: error,
    });
  }
}

function count(app: FastifyInstance, counters: Counters): void {
  app.addHook('onResponse', (_request, { statusCode }, done) => {
    counters.requests += 1;
    if (statusCode >= 500) counters.failed += 1;
    else if (statusCode >= 400) counters.refused += 1;
    done();
  });
}

/** fastify's own refusals, by their status. */
const REFUSALS: Readonly<Record<number, ServingErrorCode>> = {
  400: 'SERVE_BODY_INVALID',
  413: 'SERVE_BODY_TOO_LARGE',
  415: 'SERVE_MEDIA_TYPE',
};

function answerErrors(app: FastifyInstance, logger: Logger): void {
  app.setErrorHandler((error: FastifyError | RequestError, request, reply) => {
    if (error instanceof RequestError) {
      const { status, code, message, input } = error;
      // A full spool refuses every request; its copier says so once.
      if (status >= 500) logger[status === 503 ? 'debug' : 'error']({ code, url: request.url }, message);
      if (status === 503) void reply.header('retry-after', '1');
      return reply.status(status).send({ error: message, code, ...(input === undefined ? {} : { input }) });
    }
    const status = error.statusCode ?? 500;
    if (status < 500) {
      const code = REFUSALS[status] ?? 'SERVE_BODY_INVALID';
      return reply.status(status).send({ error: error.message, code });
    }
    logger.error({ err: error, url: request.url }, 'answering a request failed');
    return reply.status(500).send({ error: 'the server met an error of its own', code: 'SERVE_INTERNAL' });
  });
  app.setNotFoundHandler((request, reply) =>
    reply.status(404).send({
      error: `no such address: ${request.method} ${request.url.slice(0, 200)}, expected e.g. POST /models/<model>/predict`,
      code: 'SERVE_ROUTE_UNKNOWN' satisfies ServingErrorCode,
    }),
  );
}
