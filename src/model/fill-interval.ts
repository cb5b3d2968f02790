import { intervalValues, type DataInterval } from './data-interval.js';

/** A path with `{interval.start_date}` and the like filled in; other names stay as they are. */
export function fillInterval(path: string, interval: DataInterval): string {
  const values: Readonly<Record<string, string>> = intervalValues(interval);
  return path.replaceAll(/\{interval\.(\w+)\}/g, (written, name: string) => values[name] ?? written);
}
