import { z } from 'zod';
import { didYouMean } from '../model/nearest.js';
import type { HttpForEach, SqlFile } from '../model/project.js';
import { identifier } from '../model/sql-identifier.js';
import { positionAt } from './located-yaml.js';
import type { Problem } from './problem.js';
import { readSqlFile } from './read-sql-file.js';
import type { HttpPlace } from './resolve-http-resource.js';
import { refuser, type ResourceScope } from './resource-place.js';
import { textsOf } from '../model/texts-of.js';

const header = z.strictObject({ description: z.string().optional().describe('What the file is, in words.') });

/** Which rows a resource is asked for one by one; undefined when something is wrong, which is reported. */
export async function resolveForEach(http: HttpPlace, scope: ResourceScope): Promise<HttpForEach | undefined> {
  const { given, path } = http;
  const { applied } = scope;
  const { rows_of: rowsOf, query: file, columns = {}, missing, parallel } = given.for_each!;
  const place = `${path.join('.')}.for_each`;
  const refuse = (message: string, next: string, code: Problem['code'] = 'PROJECT_VALUE_INVALID'): undefined =>
    void refuser(http, scope)({ code, message: `${place} ${message}`, at: 'for_each', part: 'key', next });
  if ((rowsOf === undefined) === (file === undefined))
    return refuse(
      rowsOf === undefined ? 'says of no rows.' : 'has `rows_of` and `query`, expected one of them.',
      'Set `rows_of: orders`, or `query: parents/orders.sql`.',
      rowsOf === undefined ? 'PROJECT_KEY_MISSING' : 'PROJECT_VALUE_INVALID',
    );
  if (given.cursor !== undefined)
    return refuse(
      'goes with no cursor: one state cannot say how far each row has come.',
      'Take the cursor out, or name only the rows that changed with `query`.',
    );
  const templates = [given.path ?? '', ...textsOf(given.params), ...textsOf(given.body)];
  const named = templates.flatMap((text) => [...text.matchAll(/\{row\.([^{}]+)\}/g)].map(([, column]) => column!));
  if (named.length === 0)
    return refuse(
      'asks the same for each row: neither path, params nor body name one.',
      'Name a column, for example `path: /orders/{row.id}/items`.',
    );
  const needed = [...new Set([...named, ...Object.values(columns)])];
  const read = rowsOf === undefined ? await readQuery(file!, http, scope) : selectRows(rowsOf, needed, http, scope);
  if (read === undefined) return undefined;
  if (missing === undefined) applied(`${place}.missing = fail`);
  if (parallel === undefined) applied(`${place}.parallel = 4`);
  return { query: read, columns, missing: missing ?? 'fail', parallel: parallel ?? 4 };
}

async function readQuery(
  file: string,
  { path }: HttpPlace,
  { root, yaml, report }: ResourceScope,
): Promise<SqlFile | undefined> {
  const position = positionAt(yaml, [...path, 'for_each', 'query']);
  const named = { file: yaml.file, ...(position.line !== undefined && { line: position.line }) };
  const name = file.replace(/^.*\//, '').replace(/\.sql$/, '');
  const read = await readSqlFile({ root, file, name, schema: header, needs: [], report, named });
  return read === undefined ? undefined : { name, file, sql: read.sql };
}

/** A SELECT of the columns that are needed, as a person would write it. */
function selectRows(
  rowsOf: string,
  columns: readonly string[],
  http: HttpPlace,
  scope: ResourceScope,
): SqlFile | undefined {
  const { source, path } = http;
  const { yaml } = scope;
  const sources = (yaml.value as { sources: Readonly<Record<string, { resources?: Readonly<Record<string, unknown>> }>> }).sources; // prettier-ignore
  const isResource = (of: string, name: string | undefined): boolean => {
    const { resources } = sources[of] ?? {};
    if (!Object.hasOwn(sources, of)) return false;
    return name === undefined ? resources === undefined : resources !== undefined && Object.hasOwn(resources, name);
  };
  const [first, second] = rowsOf.split('.') as [string, string | undefined];
  const [of, name] = second === undefined && isResource(source, first) ? [source, first] : [first, second];
  if (!isResource(of, name)) {
    const names = Object.entries(sources).flatMap(([id, { resources }]) =>
      resources === undefined ? [id] : Object.keys(resources).map((one) => (id === source ? one : `${id}.${one}`)),
    );
    refuser(
      http,
      scope,
    )({
      message: `${path.join('.')}.for_each.rows_of is ${rowsOf}, which is no resource of the project${didYouMean(rowsOf, names) || '.'}`,
      at: ['for_each', 'rows_of'],
      next: 'Name a resource of this source, or source.resource.',
    });
    return undefined;
  }
  const table = [of, ...(name === undefined ? [] : [name])].map((part) => `'${part}'`).join(', ');
  const sql = `SELECT ${columns.map(identifier).join(', ')} FROM {{ source(${table}) }}\n`;
  return { name: name === undefined ? of : `${of}.${name}`, file: yaml.file, sql };
}
