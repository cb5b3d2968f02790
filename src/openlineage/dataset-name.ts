import { resolve } from 'node:path';
import type { KnownNode } from './known-node.js';

export interface Places {
  /** `postgres://host:port` and the name of the database. */
  readonly database: { readonly namespace: string; readonly name: string };
  /** What relative paths of files start from. */
  readonly root: string;
  /** Of jobs, and of what is neither a table nor a file. */
  readonly namespace: string;
  readonly env: string;
  readonly project: string;
}

interface Name {
  readonly namespace: string;
  readonly name: string;
}

/**
 * What OpenLineage calls a thing (https://openlineage.io/docs/spec/naming): `postgres://host:port` + `database.schema.table`,
 * `s3://bucket` + key, `https://host` + path, `file` + absolute path.
 */
export function datasetName({ id, table, path }: Pick<KnownNode, 'id' | 'table' | 'path'>, places: Places): Name {
  if (table !== undefined) return tableName(table, places);
  if (path === undefined) return { namespace: places.namespace, name: jobName(places, id) };
  const [, origin, rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]+)\/?(.*)$/is.exec(path) ?? [];
  if (origin === undefined) return { namespace: 'file', name: resolve(places.root, path) };
  // An address may hold a password, and a query a key; `?` and `#` of a key of S3 are characters of a name.
  const [, host = ''] = /:\/\/(?:.*@)?(.*)$/s.exec(origin) ?? [];
  const name = /^https?:/i.test(origin) ? rest.replace(/[?#].*$/s, '') : rest;
  return { namespace: `${origin.slice(0, origin.indexOf(':'))}://${host}`, name: name || '/' };
}

/** A relation that the project does not make is called `schema.table`. */
export function strangerName(relation: string, places: Places): Name {
  const dot = relation.indexOf('.');
  return tableName({ schema: relation.slice(0, dot), name: relation.slice(dot + 1) }, places);
}

function tableName(table: { readonly schema: string; readonly name: string }, { database }: Places): Name {
  return { namespace: database.namespace, name: `${database.name}.${table.schema}.${table.name}` };
}

/** `<env>.<project>`, of a step `<env>.<project>.load.rides`. */
export function jobName({ env, project }: Pick<Places, 'env' | 'project'>, part = ''): string {
  return [env, project, ...(part === '' ? [] : [part.replaceAll(':', '.').replaceAll(' ', '_')])].join('.');
}
