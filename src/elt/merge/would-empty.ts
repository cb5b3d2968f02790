import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';

/** A publication that would take every row out of a table which is not meant to become empty; terminal. `why` says what the source has no more. */
export function wouldEmpty(
  { at }: Pick<ResourceConfig, 'at'>,
  { schema, name }: { readonly schema: string; readonly name: string },
  why: string,
): TerminalError {
  return new TerminalError(
    'ELT_SOURCE_EMPTY',
    `Publishing ${schema}.${name} was stopped: ${why}, and all rows of the table would be gone; it keeps them.`,
    {
      at,
      next: 'Look at the source. If it is right, `plumbline run --accept-anomaly` empties the table; `allow_empty: true` always lets it.',
    },
  );
}
