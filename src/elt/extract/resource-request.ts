import { TerminalError } from '../../errors.js';
import { intervalValues, type DataInterval } from '../../model/data-interval.js';
import type { HttpRequestConfig, Json, ResourceConfig } from '../../model/project.js';
import { isReference } from '../../model/read-reference.js';
import { textsOf } from '../../model/texts-of.js';
import type { PageRequest } from '../http/api.js';
import { withValueAt } from '../http/with-value-at.js';
import { text } from '../read/ndjson-line.js';

/** What a request asks for: from a cursor on, an interval, a row of another table. */
export interface Asked {
  readonly askFrom?: string | undefined;
  readonly interval?: DataInterval | undefined;
  /** Values of the row by column, as JSON text. */
  readonly row?: ReadonlyMap<string, string> | undefined;
}

/**
 * What a resource is asked, with the places of secrets in the body and without the parameters that are secrets. `{interval.start}` and
 * `{row.id}` in `path`, `params` and `body` are filled in; what has no value stays as it is. A value of the body that is nothing but
 * `{row.id}` becomes what the row has: a number stays one. Throws `ELT_HTTP_URL` (terminal) for a value that would lead to another path.
 */
export function resourceRequest(
  { path, http, cursor }: Pick<ResourceConfig, 'path' | 'http' | 'cursor'>,
  asked: Asked = {},
): PageRequest {
  const { url: base, params, body: template, cursorParam } = http!;
  const { askFrom } = asked;
  const url = new URL(`${base}${filled(path, asked, pathSegment)}`);
  for (const [name, value] of Object.entries(params))
    if (!isReference(value)) url.searchParams.set(name, filled(value, asked));
  const isAskedFrom = askFrom !== undefined && cursorParam !== undefined;
  if (isAskedFrom && typeof cursorParam === 'string') url.searchParams.set(cursorParam, askFrom);
  if (template === undefined) return { url: url.href };
  const body = filledBody(template, asked);
  if (!isAskedFrom || typeof cursorParam === 'string') return { url: url.href, body };
  const from = cursor?.type === 'integer' ? askFrom : JSON.stringify(askFrom);
  return { url: url.href, body: withValueAt(body, cursorParam, from) };
}

/** Columns of the row that `path`, `params` and `body` name. */
export function namedColumns({ params, body }: Pick<HttpRequestConfig, 'params' | 'body'>, path: string): string[] {
  const texts = [path, ...Object.values(params), ...textsOf(body)].filter((value) => !isReference(value));
  return [...new Set(texts.flatMap((one) => [...one.matchAll(/\{row\.([^{}]+)\}/g)].map(([, name]) => name!)))];
}

const WHOLE_ROW_VALUE = /^\{row\.([^{}]+)\}$/;

function filledBody(template: Json, asked: Asked): string {
  if (typeof template === 'string') {
    const value = asked.row?.get(WHOLE_ROW_VALUE.exec(template)?.[1] ?? '');
    return value ?? JSON.stringify(isReference(template) ? template : filled(template, asked));
  }
  if (template instanceof Array) return `[${template.map((element) => filledBody(element, asked)).join(',')}]`;
  if (typeof template !== 'object' || template === null) return JSON.stringify(template);
  const members = Object.entries(template).map(([key, value]) => `${JSON.stringify(key)}:${filledBody(value, asked)}`);
  return `{${members.join(',')}}`;
}

function filled(
  template: string,
  { interval, row }: Asked,
  encode: (value: string) => string = (value) => value,
): string {
  const values: Readonly<Record<string, string>> = interval === undefined ? {} : intervalValues(interval);
  const named = (kind: string, key: string): string | undefined =>
    kind === 'row' ? asText(row?.get(key)) : values[key];
  return template.replaceAll(/\{(interval|row)\.([^{}]+)\}/g, (written, kind: string, key: string) => {
    const value = named(kind, key);
    return value === undefined ? written : encode(value);
  });
}

function asText(json: string | undefined): string | undefined {
  return json?.startsWith('"') === true ? text(json) : json;
}

/** A URL goes up a folder for `..`, however it is written. */
function pathSegment(value: string): string {
  if (value !== '.' && value !== '..') return encodeURIComponent(value);
  throw new TerminalError('ELT_HTTP_URL', `A row has ${JSON.stringify(value)} where \`path\` has its value; expected no path of its own.`, {
    next: 'Leave such rows out: `for_each: { query: … }`.',
  }); // prettier-ignore
}
