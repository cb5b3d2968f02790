import { resolve } from 'node:path';
import { howToAllow, mayRefer } from './may-refer.js';
import { howToAllowFiles, readSecretFile } from './secret-file.js';

const REFERENCE = /^(env|file):(.+)$/s;

/** Whether a text stands for a secret: `env:NAME` or `file:path`. */
export function isReference(text: string): boolean {
  return REFERENCE.test(text);
}

/** What is behind a reference: `value`, as far as there is one, or `refusal`: what to set so that projects may have it, as a sentence. */
export interface Referred {
  readonly value?: string | undefined;
  readonly refusal?: string;
}

/**
 * The value that `env:NAME` or `file:path` stands for where this process runs.
 *
 * @param root what a relative path starts from
 */
export async function readReference(
  reference: string,
  environment: Readonly<NodeJS.ProcessEnv>,
  root: string,
): Promise<Referred> {
  const [, kind, name = ''] = REFERENCE.exec(reference) ?? [];
  if (kind === 'env')
    return mayRefer(environment, name) ? { value: environment[name] } : { refusal: howToAllow(environment, name) };
  const { isRefused, value } = await readSecretFile(environment, resolve(root, name));
  return isRefused ? { refusal: howToAllowFiles() } : { value };
}
