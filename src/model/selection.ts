import { TerminalError } from '../errors.js';

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
