import { INTERVAL_NAMES } from '../model/data-interval.js';
import { didYouMean } from '../model/nearest.js';
import type { IntervalConfig } from '../model/project.js';
import { refuser, type ResourcePlace, type ResourceScope } from './resource-place.js';

interface IntervalYaml {
  readonly interval_column?: string | undefined;
  readonly outside_interval?: 'fail' | 'ignore' | undefined;
}

/**
 * Whether a resource is about the run's interval, because its `templates` name one or it has an `interval_column`, and how its rows are
 * checked then; undefined when something is wrong, which is reported.
 *
 * @param templates texts that may name the interval
 */
export function resolveInterval(
  place: ResourcePlace<IntervalYaml>,
  scope: ResourceScope,
  templates: readonly string[],
): { readonly interval?: IntervalConfig; readonly isNamed: boolean } | undefined {
  const { interval_column: column, outside_interval: outside } = place.given;
  const name = place.path.join('.');
  const refuse = refuser(place, scope);
  const named = templates.flatMap((text) => [...text.matchAll(/\{interval\.(\w+)\}/g)].map(([, key]) => key!));
  const unknown = named.find((key) => !(INTERVAL_NAMES as readonly string[]).includes(key));
  if (unknown !== undefined) {
    refuse({
      message: `${name} names interval.${unknown}${didYouMean(unknown, INTERVAL_NAMES) || '.'}`,
      next: `Use one of ${INTERVAL_NAMES.join(', ')}.`,
    });
    return undefined;
  }
  if (outside !== undefined && column === undefined) {
    refuse({
      message: `${name} has "outside_interval" and no "interval_column", which says where a row belongs.`,
      at: 'outside_interval',
      part: 'key',
      next: 'Add `interval_column:`.',
    });
    return undefined;
  }
  const isNamed = named.length > 0;
  if (column === undefined) return { isNamed };
  if (outside === undefined) scope.applied(`${name}.outside_interval = fail`);
  return { isNamed, interval: { column, outside: outside ?? 'fail' } };
}
