import type { DataInterval } from './data-interval.js';

type Bounds = Pick<DataInterval, 'start' | 'end'>;

/** The interval that a load is about, as it was written; where its path does not say it, its unit ends with it. */
export function intervalOfLoad(load: { readonly path: string; readonly unit: string }): Bounds | undefined {
  return intervalOfPath(load.path) ?? boundsIn(/ ([\dT:.Z+-]+)\/([\dT:.Z+-]+)$/.exec(load.unit));
}

/** The interval that an object of an API was asked for; its path says so: `/orders?interval=…/…#1`. */
export function intervalOfPath(path: string): Bounds | undefined {
  return boundsIn(/\?interval=([^/]+)\/([^/#]+)#\d+$/.exec(path));
}

function boundsIn(found: RegExpExecArray | null): Bounds | undefined {
  const [, start, end] = found ?? [];
  return start === undefined || end === undefined ? undefined : { start, end };
}
