import type { CursorConfig, HttpAuth, HttpPagination, ResourceConfig } from '../model/project.js';
import { parseDuration } from './duration.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { intervalMs } from './rate.js';
import { resolveColumns } from './resolve-columns.js';
import type { ResourcePlace, ResourceScope } from './resolve-resources.js';
import type { HttpResourceYaml, HttpSourceYaml } from './schema/http-source.js';
import { parseShare } from './share.js';

export type HttpPlace = ResourcePlace<Omit<HttpSourceYaml, 'resources'> & HttpResourceYaml>;

/** A resource of an http source; empty when something is wrong, which is reported. */
export function resolveHttpResource(
  { source, id, table, given, path }: HttpPlace,
  { yaml, report, applied }: ResourceScope,
): ResourceConfig[] {
  const place = path.join('.');
  const position = positionAt(yaml, path, 'key');
  const refuse = (code: Problem['code'], message: string, where: Problem['at'], next: string): [] => {
    report({ code, message: `Reading ${yaml.file} failed: ${message}`, at: where, next });
    return [];
  };
  if (given.path === undefined)
    return refuse('PROJECT_KEY_MISSING', `${place} has no "path", expected one such as /orders.`, position, 'Add `path:`.'); // prettier-ignore
  const primaryKey = [given.primary_key ?? []].flat();
  if (given.write === 'merge' && primaryKey.length === 0)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} is merged and has no "primary_key".`,
      positionAt(yaml, [...path, 'write']),
      'Add `primary_key:`, or write: replace.',
    );
  if (given.write === 'append')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.write is append; an API answers with rows again that are there, which would be appended twice.`,
      positionAt(yaml, [...path, 'write']),
      'Use write: replace, or merge with a primary_key.',
    );
  if (given.cursor !== undefined && primaryKey.length === 0)
    return refuse(
      'PROJECT_KEY_MISSING',
      `${place} has a cursor and no "primary_key": rows that tie with the cursor come again.`,
      positionAt(yaml, [...path, 'cursor'], 'key'),
      'Add `primary_key:`.',
    );
  if (given.cursor !== undefined && given.write === 'replace')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.write is replace; with a cursor only new rows come, and the others would be gone.`,
      positionAt(yaml, [...path, 'write']),
      'Use write: merge, or remove the cursor.',
    );
  const cursor = given.cursor === undefined ? undefined : resolveCursor(given.cursor);
  if (cursor !== undefined && 'wrong' in cursor)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.cursor.${cursor.wrong}`,
      positionAt(yaml, [...path, 'cursor', cursor.key]),
      `Correct ${cursor.key}.`,
    );
  const write = given.write ?? (cursor === undefined ? 'replace' : 'merge');
  if (given.write === undefined)
    applied(`${place}.write = ${write} (each load asks for ${cursor === undefined ? 'all' : 'what is new'})`);
  if (cursor !== undefined) {
    if (given.cursor?.type === undefined) applied(`${place}.cursor.type = ${cursor.type}`);
    if (given.cursor?.lag === undefined) applied(`${place}.cursor.lag = ${cursor.type === 'integer' ? '1' : '1s'}`);
    if (cursor.initial === undefined) applied(`${place}.cursor.initial = none (the first load asks for everything)`);
  }
  if (given.pagination === undefined) applied(`${place}.pagination = none`);
  if (given.records === undefined) applied(`${place}.records = the answer itself`);
  if (given.max_rejected === undefined) applied(`${place}.max_rejected = 1%`);
  if (given.columns === undefined) applied(`${place}.columns = inferred`);
  return [
    {
      id,
      source,
      table,
      type: 'http',
      path: given.path,
      format: 'ndjson',
      write,
      primaryKey,
      columns: resolveColumns(given.columns),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      http: {
        url: given.url.replace(/\/+$/, ''),
        ...(given.auth === undefined ? {} : { auth: resolveAuth(given.auth) }),
        headers: given.headers ?? {},
        params: Object.fromEntries(Object.entries(given.params ?? {}).map(([name, value]) => [name, String(value)])),
        ...(given.cursor === undefined ? {} : { cursorParam: given.cursor.param }),
        records: given.records?.split('.') ?? [],
        pagination: resolvePagination(given.pagination ?? { type: 'none' }),
        intervalMs: intervalMs(given.rate_limit),
        allowPrivate: given.allow_private ?? false,
      },
      ...(cursor === undefined ? {} : { cursor }),
      allowEmpty: given.allow_empty ?? false,
      at: { file: yaml.file, line: position.line ?? 1 },
    },
  ];
}

function resolveAuth(auth: NonNullable<HttpSourceYaml['auth']>): HttpAuth {
  if (auth.type !== 'oauth2') return auth;
  const { type, token_url: tokenUrl, client_id: clientId, client_secret: clientSecret, scope } = auth;
  return { type, tokenUrl, clientId, clientSecret, ...(scope === undefined ? {} : { scope }) };
}

interface WrongCursor {
  readonly key: 'initial' | 'lag';
  readonly wrong: string;
}

function resolveCursor({
  field,
  type,
  initial,
  lag,
}: NonNullable<HttpResourceYaml['cursor']>): CursorConfig | WrongCursor {
  const isInteger = (type ?? (/^-?\d+$/.test(String(initial)) ? 'integer' : 'timestamp')) === 'integer';
  if (initial !== undefined && !(isInteger ? /^-?\d+$/ : TIMESTAMP).test(String(initial)))
    return {
      key: 'initial',
      wrong: `initial is ${JSON.stringify(initial)}, expected ${isInteger ? 'a whole number' : 'a time such as 2024-01-01T00:00:00Z'}.`,
    };
  if (lag !== undefined && (typeof lag === 'number') !== isInteger)
    return {
      key: 'lag',
      wrong: `lag is ${JSON.stringify(lag)}, expected ${isInteger ? 'a whole number' : 'a duration such as 1h'}.`,
    };
  return {
    field,
    type: isInteger ? 'integer' : 'timestamp',
    ...(initial === undefined ? {} : { initial: String(initial) }),
    lag: isInteger ? Number(lag ?? 1) : parseDuration(String(lag ?? '1s')),
  };
}

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

function resolvePagination(given: NonNullable<HttpResourceYaml['pagination']>): HttpPagination {
  switch (given.type) {
    case 'page':
    case 'offset':
      return {
        type: given.type,
        param: given.param ?? given.type,
        start: given.start ?? (given.type === 'page' ? 1 : 0),
      };
    case 'cursor':
      return { type: 'cursor', param: given.param ?? 'cursor', token: given.token.split('.') };
    case 'next_url':
      return { type: 'next_url', url: given.url.split('.') };
    default:
      return given;
  }
}
