import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';

/** No row says what the columns of a table are that is not there yet. */
export function tableUnknown({ id, at }: Pick<ResourceConfig, 'id' | 'at'>): TerminalError {
  return new TerminalError('ELT_SOURCE_EMPTY', `Reading ${id} gave no rows, and its table is not there yet.`, {
    at,
    next: 'Run it when there are rows: they say what columns the table has.',
  });
}
