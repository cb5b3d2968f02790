import { PipelineError, TransientError } from '../errors.js';

/** PostgreSQL and Temporal restart within this; a supervisor brings them back in seconds. */
export const PATIENCE_MS = 30_000;

/**
 * Looks at a run that goes on whether or not its server answers: a look that fails because the server is away gives
 * undefined, until none has succeeded for `patienceMs`. Other errors pass unchanged.
 *
 * Throws TransientError of the server's code, which says how to come back.
 */
export function createPatience(
  runId: string,
  patienceMs: number,
): <T>(look: () => Promise<T>) => Promise<T | undefined> {
  let awaySince: number | undefined;
  return async (look) => {
    try {
      const seen = await look();
      awaySince = undefined;
      return seen;
    } catch (error) {
      if (!(error instanceof PipelineError) || error.terminal) throw error;
      awaySince ??= Date.now();
      if (Date.now() - awaySince < patienceMs) return undefined;
      throw new TransientError(
        error.code,
        `Following run ${runId} failed, for ${Math.round(patienceMs / 1000)} s: ${error.message} The run goes on by itself.`,
        {
          details: { runId },
          next: `Come back with \`plumbline runs watch ${runId}\`.`,
          cause: error,
        },
      );
    }
  };
}
