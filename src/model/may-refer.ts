/** The worker's own: a project must not get at them, whatever it names. */
const OWN = /^(PLUMBLINE|TEMPORAL)_/;

/**
 * Whether a project may have the value of an environment variable by `env:NAME`. PLUMBLINE_PROJECT_ENV lists what it may, comma-separated,
 * `*` standing for any characters: `SHOP_*,GITHUB_TOKEN`. Without it a project may have all but PLUMBLINE_… and TEMPORAL_….
 */
export function mayRefer(environment: Readonly<Record<string, string | undefined>>, name: string): boolean {
  const listed = environment['PLUMBLINE_PROJECT_ENV'];
  if (listed === undefined) return !OWN.test(name);
  return listed
    .split(',')
    .map((pattern) => pattern.trim())
    .some((pattern) => pattern !== '' && matches(pattern, name));
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
