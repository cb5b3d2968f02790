import { PROJECT_VARIABLES } from './may-refer.js';
import { SECRETS_FOLDERS } from './secret-file.js';

/**
 * Lets projects name every variable but plumbline's and Temporal's, and every file, where the environment lists none and both PostgreSQL and Temporal are
 * those of `plumbline up`: they listen on loopback, so whoever starts a run is whoever started the stack. A server that the environment names may
 * take runs from others.
 *
 * @param environment changed
 */
export function allowOwnStack(
  uses: { readonly databaseEmbedded: boolean; readonly temporal: { readonly embedded: boolean } },
  environment: Record<string, string | undefined>,
): void {
  if (!uses.databaseEmbedded || !uses.temporal.embedded) return;
  environment[PROJECT_VARIABLES] ??= '*,!PLUMBLINE_*,!TEMPORAL_*';
  environment[SECRETS_FOLDERS] ??= '/';
}
