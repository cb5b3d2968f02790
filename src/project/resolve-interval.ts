import { INTERVAL_NAMES } from '../model/data-interval.js';
import { namedOfInterval } from '../model/fill-interval.js';
import { didYouMean } from '../model/nearest.js';
import type { IntervalConfig } from '../model/project.js';

export interface IntervalPlace {
  readonly interval_column?: string | undefined;
  readonly outside_interval?: 'fail' | 'ignore' | undefined;
}

/** What is wrong, at which key of the resource; without a key, in the resource as a whole. */
export interface WrongInterval {
  readonly key?: string;
  readonly wrong: string;
  readonly next: string;
}

/**
 * Whether a resource is about the run's interval, because its `templates` name one or it has an `interval_column`, and how its rows are checked.
 *
 * @param templates texts that may name the interval
 */
export function resolveInterval(
  { interval_column: column, outside_interval: outside }: IntervalPlace,
  templates: readonly string[],
): { readonly interval?: IntervalConfig; readonly isNamed: boolean } | WrongInterval {
  const named = namedOfInterval(templates);
  const unknown = named.find((name) => !(INTERVAL_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined)
    return {
      wrong: `names interval.${unknown}${didYouMean(unknown, INTERVAL_NAMES) || '.'}`,
      next: `Use one of ${INTERVAL_NAMES.join(', ')}.`,
    };
  if (outside !== undefined && column === undefined)
    return {
      key: 'outside_interval',
      wrong: 'has "outside_interval" and no "interval_column", which says where a row belongs.',
      next: 'Add `interval_column:`.',
    };
  const isNamed = named.length > 0;
  if (column === undefined) return { isNamed };
  return { isNamed, interval: { column, outside: outside ?? 'fail' } };
}
