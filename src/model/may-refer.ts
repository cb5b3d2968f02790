/**
 * Whether a project may have the value of an environment variable by `env:NAME`. PLUMBLINE_PROJECT_ENV lists what it may, comma-separated,
 * `*` standing for any characters, `!` before what it may not have all the same: `SHOP_*,GITHUB_TOKEN,!SHOP_ADMIN_*`. Without the list
 * it may have none: whoever may start a run on a worker is not always whoever started the worker.
 */
export function mayRefer(environment: Readonly<Record<string, string | undefined>>, name: string): boolean {
  const listed = (environment[PROJECT_VARIABLES] ?? '')
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '');
  const isRefused = listed.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1).trim(), name));
  return !isRefused && listed.some((pattern) => !pattern.startsWith('!') && matches(pattern, name));
}

/** What to set so that projects may have the variable, as a sentence. */
export function howToAllow(environment: Readonly<Record<string, string | undefined>>, name: string): string {
  const listed = environment[PROJECT_VARIABLES]?.trim();
  const value = listed === undefined || listed === '' ? name : `${listed},${name}`;
  return `set ${PROJECT_VARIABLES}=${value} where workers and servers start, if a project may have it`;
}

export const PROJECT_VARIABLES = 'PLUMBLINE_PROJECT_ENV';

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
