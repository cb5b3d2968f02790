import type { CursorConfig } from '../model/project.js';
import { parseDuration } from './duration.js';
import type { CursorYaml } from './schema/cursor.js';

export interface WrongCursor {
  readonly key: 'initial' | 'lag';
  readonly wrong: string;
}

/** The cursor with its defaults, or what is wrong with it. */
export function resolveCursor({ field, type, initial, lag }: CursorYaml): CursorConfig | WrongCursor {
  const isInteger = (type ?? (/^-?\d+$/.test(String(initial)) ? 'integer' : 'timestamp')) === 'integer';
  if (initial !== undefined && !(isInteger ? /^-?\d+$/ : TIMESTAMP).test(String(initial)))
    return {
      key: 'initial',
      wrong: `initial is ${JSON.stringify(initial)}, expected ${isInteger ? 'a whole number' : 'a time such as 2024-01-01T00:00:00Z'}.`,
    };
  if (lag !== undefined && (typeof lag === 'number') !== isInteger)
    return {
      key: 'lag',
      wrong: `lag is ${JSON.stringify(lag)}, expected ${isInteger ? 'a whole number' : 'a duration such as 1h'}.`,
    };
  return {
    field,
    type: isInteger ? 'integer' : 'timestamp',
    ...(initial === undefined ? {} : { initial: String(initial) }),
    lag: isInteger ? Number(lag ?? 1) : parseDuration(String(lag ?? '1s')),
  };
}

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;
