import { instant } from '../../model/data-interval.js';

/** The interval that an object of an API was asked for, in milliseconds; its path says so: `/orders?interval=…/…#1`. */
export function intervalOfPath(path: string): { readonly start: number; readonly end: number } | undefined {
  const [, start, end] = /\?interval=([^/]+)\/([^/#]+)#\d+$/.exec(path) ?? [];
  return start === undefined || end === undefined ? undefined : { start: instant(start), end: instant(end) };
}
