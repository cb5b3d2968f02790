import type { CursorConfig } from '../model/project.js';
import { parseDuration } from './duration.js';
import { refuser, type ResourcePlace, type ResourceScope } from './resource-place.js';
import type { CursorYaml } from './schema/cursor.js';

export type CursorPlace = ResourcePlace<{
  readonly cursor?: Partial<CursorYaml> | undefined;
  readonly primary_key?: string | readonly string[] | undefined;
  readonly write?: string | undefined;
}>;

/** The cursor of a resource with its defaults; undefined when something is wrong, which is reported. */
export function resolveCursor(place: CursorPlace, scope: ResourceScope, given: CursorYaml): CursorConfig | undefined {
  if (!canFollow(place, scope)) return undefined;
  const name = place.path.join('.');
  const { applied } = scope;
  const cursor = cursorOf(given);
  if ('wrong' in cursor) {
    refuser(
      place,
      scope,
    )({
      message: `${name}.cursor.${cursor.wrong}`,
      at: ['cursor', cursor.key],
      next: `Correct ${cursor.key}.`,
    });
    return undefined;
  }
  if (given.type === undefined) applied(`${name}.cursor.type = ${cursor.type}`);
  if (given.lag === undefined) applied(`${name}.cursor.lag = ${cursor.type === 'integer' ? '1' : '1s'}`);
  if (cursor.initial === undefined) applied(`${name}.cursor.initial = none (the first load asks for everything)`);
  return cursor;
}

/** Whether a resource can be asked only for what is new; reports what it lacks. */
export function canFollow(place: CursorPlace, scope: ResourceScope): boolean {
  const name = place.path.join('.');
  const { primary_key: primaryKey, write } = place.given;
  const refuse = refuser(place, scope);
  if (primaryKey === undefined) {
    refuse({
      code: 'PROJECT_KEY_MISSING',
      message: `${name} has a cursor and no "primary_key": rows that tie with the cursor come again.`,
      at: 'cursor',
      part: 'key',
      next: 'Add `primary_key:`.',
    });
    return false;
  }
  if (write === 'replace') {
    refuse({
      message: `${name}.write is replace; with a cursor only new rows come, and the others would be gone.`,
      at: 'write',
      next: 'Use write: merge, or remove the cursor.',
    });
    return false;
  }
  return true;
}

interface WrongCursor {
  readonly key: 'initial' | 'lag';
  readonly wrong: string;
}

function cursorOf({ field, type, initial, lag }: CursorYaml): CursorConfig | WrongCursor {
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
