import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { howToAllow, mayRefer } from '../model/may-refer.js';

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
  const [, kind, name = ''] = /^(env|file):(.+)$/s.exec(reference) ?? [];
  if (kind === 'env' && !mayRefer(environment, name))
    throw new Error(`projects may not have ${reference}: ${howToAllow(environment, name)}`);
  const value =
    kind === 'env'
      ? environment[name]
      : await readFile(resolve(root, name), 'utf8').then((text) => text.trim(), () => undefined); // prettier-ignore
  if (value === undefined || value === '') throw new Error(`there is no ${reference} where this process runs`);
  return value;
}
