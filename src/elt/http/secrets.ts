import { resolve } from 'node:path';
import { TerminalError } from '../../errors.js';
import { howToAllow, mayRefer } from '../../model/may-refer.js';
import { howToAllowFiles, readSecretFile } from '../../model/secret-file.js';

const REFERENCE = /^(env|file):(.+)$/s;

/** Secrets of one source, read when they are used and taken out of every text that is shown. */
export interface Secrets {
  /** The value behind `env:NAME` or `file:path`; any other text is itself. Throws `ELT_SECRET_MISSING`, `ELT_SECRET_REFUSED` (terminal). */
  valueOf(text: string): Promise<string>;
  /** Remembers a secret that came from elsewhere, such as a token. */
  add(secret: string): void;
  /** The text with `***` for every secret that was read so far. */
  redact(text: string): string;
}

export function isReference(text: string): boolean {
  return REFERENCE.test(text);
}

/** @param root what a relative `file:` starts from */
export function openSecrets(environment: Readonly<NodeJS.ProcessEnv>, root: string): Secrets {
  const known = new Set<string>();
  const secrets: Secrets = {
    async valueOf(text) {
      const [, kind, name] = REFERENCE.exec(text) ?? [];
      if (kind === undefined || name === undefined) return text;
      if (kind === 'env' && !mayRefer(environment, name)) throw refused(text, howToAllow(environment, name));
      const file = kind === 'env' ? undefined : await readSecretFile(environment, resolve(root, name));
      if (file?.isRefused === true) throw refused(text, howToAllowFiles());
      const value = file === undefined ? environment[name] : file.value;
      if (value === undefined || value === '') throw missing(text, kind);
      secrets.add(value);
      return value;
    },
    add: (secret) => void known.add(secret),
    redact: (text) =>
      [...known].reduce((shown, secret) => {
        const forms = new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]);
        return [...forms].reduce((one, form) => one.replaceAll(form, '***'), shown);
      }, text),
  };
  return secrets;
}

function refused(reference: string, how: string): TerminalError {
  return new TerminalError(
    'ELT_SECRET_REFUSED',
    `Reading the secret ${reference} failed: projects may not have this ${reference.startsWith('env:') ? 'variable' : 'file'} of the worker.`,
    {
      details: { reference },
      next: `${how[0]!.toUpperCase()}${how.slice(1)}.`,
    },
  );
}

function missing(reference: string, kind: string): TerminalError {
  return new TerminalError('ELT_SECRET_MISSING', `Reading the secret ${reference} failed: there is none on the worker.`, {
    details: { reference },
    next: kind === 'env' ? 'Set the variable where the worker starts.' : 'Put the file where the worker can read it.',
  }); // prettier-ignore
}
