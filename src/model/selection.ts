import { TerminalError } from '../errors.js';
import type { ScheduleConfig } from './project.js';

/** A name as `--select` takes it: `name`, `name+`, `+name`, or of a source `source.resource`. */
export const SELECTOR = /^\+?[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?\+?$/;

/** The part of the elt stage that a run does; nothing given: all of it. */
export interface Selection {
  /** Builds without loading, or loads without building. */
  readonly only?: 'load' | 'transform';
  /** Transforms, or with `only: load` sources; absent: all. */
  readonly select?: readonly string[];
  /** Left out of them, in the same words. */
  readonly exclude?: readonly string[];
}

/** What a schedule or a backfill does of its stages, in the words of `run`. */
export function selectionOf(
  stages: readonly string[],
  { select, exclude }: Pick<Selection, 'select' | 'exclude'>,
): Selection {
  const isTransform = stages.includes('transform') && !stages.includes('load');
  const only = isTransform ? 'transform' : isSelected({ select, exclude }) ? 'load' : undefined;
  return {
    ...(only === undefined ? {} : { only }),
    ...(select === undefined ? {} : { select }),
    ...(exclude === undefined ? {} : { exclude }),
  };
}

/**
 * Under what name intervals of a part are recorded: the same for the same names in any order. Empty for all of it.
 *
 * @example partName({ only: 'transform', select: ['daily+', 'calendar'], exclude: ['report'] }) // 'transform calendar daily+ -report'
 */
export function partName({ only, select = [], exclude = [] }: Selection): string {
  const names = [...new Set(select)].sort();
  const without = [...new Set(exclude)].sort().map((name) => `-${name}`);
  return only === undefined ? '' : [only, ...names, ...without].join(' ');
}

/** The part that a schedule does, under the name that its intervals are recorded by. */
export function partOf(schedule: Pick<ScheduleConfig, 'stages' | 'select' | 'exclude'>): string {
  return partName(selectionOf(schedule.stages, schedule));
}

/** Whether some are named, so that the rest is left as it is. */
export function isSelected({ select, exclude }: Selection): boolean {
  return select !== undefined || exclude !== undefined;
}

/**
 * What is selected, minus what is excluded, in the order of `all`. Throws `SELECT_EMPTY` (terminal) when nothing is left, and
 * what `find` does for a name that it does not know.
 */
export function applySelection<T>(
  all: readonly T[],
  { select, exclude }: Selection,
  find: (names: readonly string[]) => readonly T[],
): readonly T[] {
  const wanted = select === undefined ? all : find(select);
  if (exclude === undefined) return wanted;
  const excluded = new Set(find(exclude));
  const left = wanted.filter((one) => !excluded.has(one));
  if (left.length > 0) return left;
  const words = `${select === undefined ? 'everything' : select.join(', ')} without ${exclude.join(', ')}`;
  throw new TerminalError('SELECT_EMPTY', `Selecting ${words} failed: nothing is left.`, {
    next: 'Exclude less, or select more.',
  });
}
