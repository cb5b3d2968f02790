import { resolve } from 'node:path';
import { howToAllow, mayRefer } from '../model/may-refer.js';
import { howToAllowFiles, readSecretFile } from '../model/secret-file.js';

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
  const file = kind === 'env' ? undefined : await readSecretFile(environment, resolve(root, name));
  if (file?.isRefused === true) throw new Error(`projects may not have ${reference}: ${howToAllowFiles()}`);
  const value = file === undefined ? environment[name] : file.value?.trim();
  if (value === undefined || value === '') throw new Error(`there is no ${reference} where this process runs`);
  return value;
}
