import { TerminalError } from '../../errors.js';
import { intervalValues, type DataInterval } from '../../model/data-interval.js';
import type { HttpRequestConfig } from '../../model/project.js';
import { isReference } from '../http/secrets.js';

/** What a request asks for: from a cursor on, an interval, a row of another table. */
export interface Asked {
  readonly askFrom?: string | undefined;
  readonly interval?: DataInterval | undefined;
  /** Values of the row by column. */
  readonly row?: ReadonlyMap<string, string> | undefined;
}

/**
 * Where a resource is asked, with the parameters that are no secrets. `{interval.start}` and `{row.id}` in `path` and `params` are filled
 * in; what has no value stays as it is. Throws `ELT_HTTP_URL` (terminal) for a value that would lead to another path.
 */
export function resourceUrl(config: HttpRequestConfig, path: string, asked: Asked = {}): URL {
  const { askFrom } = asked;
  const url = new URL(`${config.url}${filled(path, asked, pathSegment)}`);
  for (const [name, value] of Object.entries(config.params))
    if (!isReference(value)) url.searchParams.set(name, filled(value, asked));
  if (askFrom !== undefined && config.cursorParam !== undefined) url.searchParams.set(config.cursorParam, askFrom);
  return url;
}

/** Columns of the row that `path` and `params` name. */
export function namedColumns({ params }: Pick<HttpRequestConfig, 'params'>, path: string): string[] {
  const texts = [path, ...Object.values(params).filter((value) => !isReference(value))];
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\{row\.([^{}]+)\}/g)].map(([, name]) => name!)))];
}

function filled(text: string, { interval, row }: Asked, encode: (value: string) => string = (value) => value): string {
  const values: Readonly<Record<string, string>> = interval === undefined ? {} : intervalValues(interval);
  const named = (kind: string, key: string): string | undefined => (kind === 'row' ? row?.get(key) : values[key]);
  return text.replaceAll(/\{(interval|row)\.([^{}]+)\}/g, (written, kind: string, key: string) => {
    const value = named(kind, key);
    return value === undefined ? written : encode(value);
  });
}

/** A URL goes up a folder for `..`, however it is written. */
function pathSegment(value: string): string {
  if (value !== '.' && value !== '..') return encodeURIComponent(value);
  throw new TerminalError('ELT_HTTP_URL', `A row has ${JSON.stringify(value)} where \`path\` has its value; expected no path of its own.`, {
    next: 'Leave such rows out: `for_each: { query: … }`.',
  }); // prettier-ignore
}
