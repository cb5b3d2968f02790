import { PipelineError, TransientError } from '../errors.js';

/**
 * What Node.js and DuckDB say when a disk, or a quota on it, is full, as `DISK_FULL` (transient: there may be room for the next
 * attempt); any other error as it is.
 *
 * @param place what was written to; the error's own path where it has one
 */
export function diskFull(error: unknown, place?: string): unknown {
  if (!(error instanceof Error) || error instanceof PipelineError) return error;
  const { code, path = place } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT' && !/No space left on device/.test(error.message)) return error;
  return new TransientError(
    'DISK_FULL',
    `Writing to ${path ?? 'a temporary file'} failed: there is no space left on its disk.`,
    {
      ...(path !== undefined && { details: { path } }),
      next: 'Make room for the artifact store and for temporary files: the step is tried again.',
      cause: error,
    },
  );
}
