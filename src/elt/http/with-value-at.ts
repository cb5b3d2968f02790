import { jsonMembers } from '../read/ndjson-line.js';

/**
 * The JSON object with another value at these keys, which are added where they are not there. What stands beside them stays as it is
 * written: numbers keep every digit. A value that is no object, where the keys lead through it, gives way to one.
 *
 * @param value JSON text
 */
export function withValueAt(json: string, [key, ...rest]: readonly string[], value: string): string {
  if (key === undefined) return value;
  const members = new Map(json.startsWith('{') ? jsonMembers(json).map((one) => [one.key, one.source] as const) : []);
  members.set(key, withValueAt(members.get(key) ?? '{}', rest, value));
  return `{${[...members].map(([name, source]) => `${JSON.stringify(name)}:${source}`).join(',')}}`;
}
