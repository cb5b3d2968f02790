import type { HttpAuth, HttpPagination, ResourceConfig } from '../model/project.js';
import { intervalMs } from './rate.js';
import { resolveCursor } from './resolve-cursor.js';
import { resolveForEach } from './resolve-for-each.js';
import { resolveInterval } from './resolve-interval.js';
import { resolveChildren } from './resolve-children.js';
import { resolveHttpBody } from './resolve-http-body.js';
import { resolveLoad } from './resolve-load.js';
import { refuser, type Refusal, type ResourcePlace, type ResourceScope } from './resource-place.js';
import { textsOf } from '../model/texts-of.js';
import type { HttpResourceYaml, HttpSourceYaml } from './schema/http-source.js';

export type HttpPlace = ResourcePlace<Omit<HttpSourceYaml, 'resources'> & HttpResourceYaml>;

/** A resource of an http source; empty when something is wrong, which is reported. */
export async function resolveHttpResource(resource: HttpPlace, scope: ResourceScope): Promise<ResourceConfig[]> {
  const { source, id, table, given, path } = resource;
  const { applied } = scope;
  const place = path.join('.');
  const refuse = (refusal: Refusal): [] => {
    refuser(resource, scope)(refusal);
    return [];
  };
  if (given.path === undefined)
    return refuse({
      code: 'PROJECT_KEY_MISSING',
      message: `${place} has no "path", expected one such as /orders.`,
      next: 'Add `path:`.',
    });
  const templates = [given.path, ...textsOf(given.params), ...textsOf(given.body)];
  const about = resolveInterval(resource, scope, templates);
  if (about === undefined) return [];
  const byInterval = about.isNamed;
  if (about.interval !== undefined && !byInterval)
    return refuse({
      message: `${place} has "interval_column", and neither path, params nor body say of which interval the API is asked.`,
      at: 'interval_column',
      part: 'key',
      next: "Name it, for example `params: { from: '{interval.start}' }`.",
    });
  if (byInterval && given.cursor !== undefined)
    return refuse({
      message: `${place} has a cursor and names the interval: it is asked for what is new, or for an interval.`,
      at: 'cursor',
      part: 'key',
      next: 'Remove one of the two.',
    });
  const forEach = given.for_each === undefined ? undefined : await resolveForEach(resource, scope);
  if (given.for_each !== undefined && forEach === undefined) return [];
  const row = templates.find((text) => /\{row\./.test(text));
  if (row !== undefined && forEach === undefined)
    return refuse({
      message: `${place} has ${JSON.stringify(row)} and no "for_each", which says of what row that is.`,
      next: 'Add `for_each: { rows_of: … }`.',
    });
  const sent = resolveHttpBody(resource, scope);
  if (sent === undefined) return [];
  if (byInterval && given.write === 'replace')
    return refuse({
      message: `${place}.write is replace; each interval would leave its own rows only.`,
      at: 'write',
      next: 'Use write: append (rows of an interval take the place of those it had), or merge with a primary_key.',
    });
  if (given.write === 'append' && !byInterval)
    return refuse({
      message: `${place}.write is append; an API answers with rows again that are there, which would be appended twice.`,
      at: 'write',
      next: 'Use write: replace, or merge with a primary_key.',
    });
  const cursor = given.cursor === undefined ? undefined : resolveCursor(resource, scope, given.cursor);
  if (given.cursor !== undefined && cursor === undefined) return [];
  const load = resolveLoad(resource, scope, {
    write: byInterval ? 'append' : cursor === undefined ? 'replace' : 'merge',
    why: `each load asks for ${byInterval ? 'an interval' : cursor === undefined ? 'all' : 'what is new'}`,
    isPartial: cursor !== undefined || byInterval,
    columns: 'inferred',
  });
  if (load === undefined) return [];
  const children = resolveChildren(resource, scope, load);
  if (given.pagination === undefined) applied(`${place}.pagination = none`);
  if (given.records === undefined) applied(`${place}.records = the answer itself`);
  return [
    {
      id,
      source,
      table,
      type: 'http',
      path: given.path,
      format: 'ndjson',
      ...load,
      ...children,
      http: {
        url: given.url.replace(/\/+$/, ''),
        ...(given.auth === undefined ? {} : { auth: resolveAuth(given.auth) }),
        headers: given.headers ?? {},
        params: asTexts(given.params ?? {}),
        ...sent,
        ...(given.cursor === undefined ? {} : { cursorParam: paramOf(given.cursor.param, given.cursor.in) }),
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
    },
  ];
}

function resolveAuth(auth: NonNullable<HttpSourceYaml['auth']>): HttpAuth {
  if (auth.type !== 'oauth2') return auth;
  const { type, token_url: tokenUrl, client_id: clientId, client_secret: clientSecret, scope, params } = auth;
  return {
    type,
    tokenUrl,
    clientId,
    clientSecret,
    ...(auth.client_auth === 'post' && { inBody: true }),
    ...(scope !== undefined && { scope }),
    ...(params !== undefined && { params: asTexts(params) }),
  };
}

function asTexts(params: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
}

function paramOf(param: string, place: 'params' | 'body' | undefined): string | readonly string[] {
  return place === 'body' ? param.split('.') : param;
}

function resolvePagination(given: NonNullable<HttpResourceYaml['pagination']>): HttpPagination {
  switch (given.type) {
    case 'page':
    case 'offset':
      return {
        type: given.type,
        param: paramOf(given.param ?? given.type, given.in),
        start: given.start ?? (given.type === 'page' ? 1 : 0),
      };
    case 'cursor':
      return {
        type: 'cursor',
        param: paramOf(given.param ?? 'cursor', given.in),
        token: given.token.split('.'),
        ...(given.has_more !== undefined && { hasMore: given.has_more.split('.') }),
      };
    case 'next_url':
      return { type: 'next_url', url: given.url.split('.') };
    default:
      return given;
  }
}
