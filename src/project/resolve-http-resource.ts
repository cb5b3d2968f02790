import type { HttpAuth, HttpPagination, ResourceConfig } from '../model/project.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { intervalMs } from './rate.js';
import { resolveColumns } from './resolve-columns.js';
import { resolveCursor } from './resolve-cursor.js';
import { resolveForEach } from './resolve-for-each.js';
import { resolveInterval } from './resolve-interval.js';
import { resolveMerge, whenGoneLine } from './resolve-merge.js';
import { resolveAnomaly } from './resolve-anomaly.js';
import { resolveContract } from './resolve-contract.js';
import type { ResourcePlace, ResourceScope } from './resolve-resources.js';
import type { HttpResourceYaml, HttpSourceYaml } from './schema/http-source.js';
import { parseShare } from './share.js';

export type HttpPlace = ResourcePlace<Omit<HttpSourceYaml, 'resources'> & HttpResourceYaml>;

/** A resource of an http source; empty when something is wrong, which is reported. */
export async function resolveHttpResource(http: HttpPlace, scope: ResourceScope): Promise<ResourceConfig[]> {
  const { source, id, table, given, path } = http;
  const { yaml, report, applied } = scope;
  const place = path.join('.');
  const position = positionAt(yaml, path, 'key');
  const refuse = (code: Problem['code'], message: string, where: Problem['at'], next: string): [] => {
    report({ code, message: `Reading ${yaml.file} failed: ${message}`, at: where, next });
    return [];
  };
  if (given.path === undefined)
    return refuse('PROJECT_KEY_MISSING', `${place} has no "path", expected one such as /orders.`, position, 'Add `path:`.'); // prettier-ignore
  const primaryKey = [given.primary_key ?? []].flat();
  const templates = [given.path, ...Object.values(given.params ?? {}).map(String)];
  const about = resolveInterval(given, templates);
  if ('wrong' in about)
    return refuse('PROJECT_VALUE_INVALID', `${place} ${about.wrong}`, about.key === undefined ? position : positionAt(yaml, [...path, about.key], 'key'), about.next); // prettier-ignore
  const byInterval = about.isNamed;
  if (about.interval !== undefined && !byInterval)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has "interval_column", and neither path nor params say of which interval the API is asked.`,
      positionAt(yaml, [...path, 'interval_column'], 'key'),
      "Name it, for example `params: { from: '{interval.start}' }`.",
    );
  if (byInterval && given.cursor !== undefined)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has a cursor and names the interval: it is asked for what is new, or for an interval.`,
      positionAt(yaml, [...path, 'cursor'], 'key'),
      'Remove one of the two.',
    );
  const forEach = given.for_each === undefined ? undefined : await resolveForEach(http, scope);
  if (given.for_each !== undefined && forEach === undefined) return [];
  const row = templates.find((text) => /\{row\./.test(text));
  if (row !== undefined && forEach === undefined)
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has ${JSON.stringify(row)} and no "for_each", which says of what row that is.`,
      position,
      'Add `for_each: { rows_of: … }`.',
    );
  if (byInterval && given.write === 'replace')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place}.write is replace; each interval would leave its own rows only.`,
      positionAt(yaml, [...path, 'write']),
      'Use write: append (rows of an interval take the place of those it had), or merge with a primary_key.',
    );
  if (given.write === 'append' && !byInterval)
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
  const isWhole = cursor === undefined && given.merge === undefined;
  const write = given.write ?? (byInterval && given.merge === undefined ? 'append' : isWhole ? 'replace' : 'merge');
  const merging = { given: given.merge, write, primaryKey, isPartial: cursor !== undefined || byInterval };
  const merged = resolveMerge(merging);
  if ('wrong' in merged)
    return refuse(
      given.merge === undefined ? 'PROJECT_KEY_MISSING' : 'PROJECT_VALUE_INVALID',
      `${place} ${merged.wrong}`,
      positionAt(yaml, [...path, given.merge === undefined ? 'write' : 'merge']),
      merged.next,
    );
  if (given.anomaly !== undefined && write !== 'replace')
    return refuse(
      'PROJECT_VALUE_INVALID',
      `${place} has "anomaly" and write: ${write}; it compares whole tables.`,
      positionAt(yaml, [...path, 'anomaly'], 'key'),
      'Set write: replace, or take `anomaly` out.',
    );
  for (const line of whenGoneLine(merging, merged.merge)) applied(`${place}.${line}`);
  if (given.write === undefined)
    applied(
      `${place}.write = ${write} (each load asks for ${byInterval ? 'an interval' : cursor === undefined ? 'all' : 'what is new'})`,
    );
  if (cursor !== undefined) {
    if (given.cursor?.type === undefined) applied(`${place}.cursor.type = ${cursor.type}`);
    if (given.cursor?.lag === undefined) applied(`${place}.cursor.lag = ${cursor.type === 'integer' ? '1' : '1s'}`);
    if (cursor.initial === undefined) applied(`${place}.cursor.initial = none (the first load asks for everything)`);
  }
  if (about.interval !== undefined && given.outside_interval === undefined) applied(`${place}.outside_interval = fail`);
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
      ...merged,
      columns: resolveColumns(given.columns),
      ...resolveAnomaly(given.anomaly, write, applied, place),
      ...resolveContract(given.contract, write, applied, place),
      maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
      http: {
        url: given.url.replace(/\/+$/, ''),
        ...(given.auth === undefined ? {} : { auth: resolveAuth(given.auth) }),
        headers: given.headers ?? {},
        params: Object.fromEntries(Object.entries(given.params ?? {}).map(([name, value]) => [name, String(value)])),
        ...(given.cursor === undefined ? {} : { cursorParam: given.cursor.param }),
        records: given.records?.split('.') ?? [],
        pagination: resolvePagination(given.pagination ?? { type: 'none' }),
        ...(byInterval ? { byInterval } : {}),
        ...(forEach === undefined ? {} : { forEach }),
        intervalMs: intervalMs(given.rate_limit),
        allowPrivate: given.allow_private ?? false,
      },
      ...(cursor === undefined ? {} : { cursor }),
      ...(about.interval !== undefined && { interval: about.interval }),
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
