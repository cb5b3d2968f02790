import { readReference } from '../model/read-reference.js';

/**
 * What `env:NAME` or `file:path` stands for where this process runs. Throws in words that go into the alert's row: there is
 * no such thing, or projects may not have it.
 *
 * @param root what a relative path starts from
 */
export async function readSecret(
  reference: string,
  environment: Readonly<NodeJS.ProcessEnv>,
  root: string,
): Promise<string> {
  const { value: found, refusal } = await readReference(reference, environment, root);
  if (refusal !== undefined) throw new Error(`projects may not have ${reference}: ${refusal}`);
  const value = reference.startsWith('file:') ? found?.trim() : found;
  if (value === undefined || value === '') throw new Error(`there is no ${reference} where this process runs`);
  return value;
}
