import { isReference } from '../../model/read-reference.js';
import { openSecrets } from './secrets.js';

/** Headers as `guardedFetch` takes them. */
export interface DeclaredHeaders {
  readonly headers: Readonly<Record<string, string>>;
  /** Lower-case names of those that only the first origin may see. */
  readonly secretHeaders: readonly string[];
}

/**
 * The headers that a source declares, with the values behind `env:NAME` and `file:path`.
 * Throws `ELT_SECRET_MISSING`, `ELT_SECRET_REFUSED` (terminal).
 *
 * @param root what a relative `file:` starts from
 */
export async function declaredHeaders(
  declared: Readonly<Record<string, string>>,
  environment: Readonly<NodeJS.ProcessEnv>,
  root: string,
): Promise<DeclaredHeaders> {
  const secrets = openSecrets(environment, root);
  const values = await Promise.all(
    Object.entries(declared).map(async ([name, value]) => [name, await secrets.valueOf(value)] as const),
  );
  const secretHeaders = Object.keys(declared).filter((name) => isReference(declared[name]!));
  return { headers: Object.fromEntries(values), secretHeaders: secretHeaders.map((name) => name.toLowerCase()) };
}
