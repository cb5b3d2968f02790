import type { Settings } from './config.js';
import { PROJECT_VARIABLES } from './model/may-refer.js';

/**
 * Lets projects name every variable but plumbline's and Temporal's where the environment lists none and both PostgreSQL and Temporal are
 * those of `plumbline up`: they listen on loopback, so whoever starts a run is whoever started the stack. A server that the environment names may
 * take runs from others.
 *
 * @param environment changed
 */
export function allowOwnStack(
  {
    databaseEmbedded,
    temporal,
  }: Pick<Settings, 'databaseEmbedded'> & { readonly temporal: { readonly embedded: boolean } },
  environment: NodeJS.ProcessEnv,
): void {
  if (databaseEmbedded && temporal.embedded) environment[PROJECT_VARIABLES] ??= '*,!PLUMBLINE_*,!TEMPORAL_*';
}
