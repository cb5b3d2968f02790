import { isUtf8 } from 'node:buffer';
import { TerminalError, TransientError } from '../../errors.js';
import { jsonElements, jsonMembers, text } from '../read/ndjson-line.js';
import { refuseErrors } from './refuse-errors.js';

export interface PageSource {
  readonly body: Buffer;
  readonly contentType: string | undefined;
  /** For messages: what was asked, and the text that may be shown of an answer. */
  readonly shownUrl: string;
  readonly redact: (text: string) => string;
}

/** One answer. Values are source text: numbers keep every digit. */
export interface Page {
  /** One JSON object each, on one line. */
  readonly records: readonly string[];
  /** The text, number or address at these keys; undefined where there is none: absent, null, false or ''. */
  valueAt(keys: readonly string[]): string | undefined;
  /** The same as JSON text, whatever it is. */
  jsonAt(keys: readonly string[]): string | undefined;
}

export interface PagePlaces {
  /** Keys that lead to the records. */
  readonly records: readonly string[];
  /** Keys that lead to what went wrong. */
  readonly errors?: readonly string[] | undefined;
}

/**
 * Finds the records of an answer: at keys, or the answer itself. A null there is no record, as an empty list is.
 * Throws `ELT_HTTP_ANSWER`, `ELT_HTTP_RECORDS` (terminal: it is not what plumbline.yaml says), `ELT_HTTP_CUT` (transient: it ends too early),
 * and what `refuseErrors` does.
 */
export function readPage(source: PageSource, { records: keys, errors }: PagePlaces): Page {
  const json = jsonText(source);
  const said = errors && valueAt(json, errors);
  if (said !== undefined) refuseErrors(source, said, errors!);
  const list = find(source, json, keys);
  const records = list === 'null' && keys.length > 0 ? [] : elementsOf(source, list, keys);
  const other = records.find((record) => !record.startsWith('{'));
  if (other !== undefined)
    throw wrongRecords(source, keys, `a list with ${shown(source, other)} in it`, 'a list of objects');
  return {
    // A line end outside of a string is a blank; inside of one it is written as an escape.
    records: records.map((record) => (/[\r\n]/.test(record) ? record.replaceAll(/[\r\n]+/g, ' ') : record)),
    valueAt: (path) => scalarAt(source, json, path),
    jsonAt: (path) => valueAt(json, path),
  };
}

function jsonText(source: PageSource): string {
  const { body, contentType, shownUrl } = source;
  const content = (isUtf8(body) ? body.toString('utf8') : body.toString('latin1')).replace(/^\ufeff/, '').trim();
  const received = `${/^<(!doctype|html)/i.test(content) ? 'an HTML page' : (contentType ?? 'something')}: ${shown(source, content)}`;
  const refuse = (reason: string, cause?: unknown): TerminalError =>
    new TerminalError('ELT_HTTP_ANSWER', `Reading ${shownUrl} failed: ${reason}; got ${received}; expected JSON.`, {
      next: 'Correct `url`, `path` and `auth`: many servers answer with a page where they mean to refuse.',
      cause,
    });
  if (!isUtf8(body)) throw refuse('the answer is not UTF-8');
  if (content === '') throw refuse('the answer is empty');
  try {
    JSON.parse(content);
    return content;
  } catch (error) {
    if (/^[[{]/.test(content) && isEnd(error as Error, content))
      throw new TransientError('ELT_HTTP_CUT', `Reading ${shownUrl} failed: the answer ends after ${body.length} bytes, in the middle of its JSON.`, {
        cause: error,
        next: 'Nothing: the step is tried again.',
      }); // prettier-ignore
    throw refuse('the answer is not JSON', error);
  }
}

function isEnd({ message }: Error, content: string): boolean {
  const position = /position (\d+)/.exec(message)?.[1];
  return /end of JSON input/.test(message) || (position !== undefined && Number(position) >= content.length);
}

function find(source: PageSource, json: string, keys: readonly string[]): string {
  let value = json;
  for (const [depth, key] of keys.entries()) {
    if (!value.startsWith('{')) throw wrongRecords(source, keys.slice(0, depth), shown(source, value), 'an object');
    const members = jsonMembers(value);
    const member = members.find((one) => one.key === key);
    if (member === undefined)
      throw wrongRecords(source, keys.slice(0, depth + 1), `none among ${names(members.map((one) => one.key))}`, 'it');
    value = member.source;
  }
  return value;
}

function elementsOf(source: PageSource, list: string, keys: readonly string[]): string[] {
  if (list.startsWith('[')) return jsonElements(list);
  if (!list.startsWith('{')) throw wrongRecords(source, keys, shown(source, list), 'a list');
  const lists = jsonMembers(list).filter((member) => member.source.startsWith('['));
  const next = lists.length === 0 ? '' : `; lists are at ${names(lists.map(({ key }) => [...keys, key].join('.')))}`;
  throw wrongRecords(source, keys, `an object${next}`, 'a list');
}

function valueAt(json: string, keys: readonly string[]): string | undefined {
  let value = json;
  for (const key of keys) {
    const found = value.startsWith('{') ? jsonMembers(value).find((one) => one.key === key) : undefined;
    if (found === undefined) return undefined;
    value = found.source;
  }
  return value === 'null' || value === 'false' || value === '""' ? undefined : value;
}

function scalarAt(source: PageSource, json: string, keys: readonly string[]): string | undefined {
  const value = valueAt(json, keys);
  if (value === undefined) return undefined;
  if (/^[[{]/.test(value) || value === 'true')
    throw new TerminalError(
      'ELT_HTTP_PAGINATION',
      `Reading ${source.shownUrl} failed: ${keys.join('.')}, which leads to the next page, is ${shown(source, value)}; expected a text or a number.`,
      { next: 'Correct `pagination` in plumbline.yaml.' },
    );
  return value.startsWith('"') ? text(value) : value;
}

function wrongRecords(source: PageSource, keys: readonly string[], received: string, expected: string): TerminalError {
  const place = keys.length === 0 ? 'the answer' : keys.join('.');
  return new TerminalError(
    'ELT_HTTP_RECORDS',
    `Reading ${source.shownUrl} failed: ${place} was asked for, got ${received}; expected ${expected}.`,
    { next: 'Correct `records` in plumbline.yaml: the keys that lead to the list, such as data.items.' },
  );
}

function names(keys: readonly string[]): string {
  return keys.length === 0 ? 'no keys' : keys.slice(0, 20).map((key) => JSON.stringify(key)).join(', '); // prettier-ignore
}

function shown({ redact }: PageSource, value: string): string {
  const start = redact(value).slice(0, 80);
  return JSON.stringify(start.length < value.length ? `${start}…` : start);
}
