import { TerminalError } from '../../errors.js';
import { isReference, readReference } from '../../model/read-reference.js';

/** Secrets of one source, read when they are used and taken out of every text that is shown. */
export interface Secrets {
  /** The value behind `env:NAME` or `file:path`; any other text is itself. Throws `ELT_SECRET_MISSING`, `ELT_SECRET_REFUSED` (terminal). */
  valueOf(text: string): Promise<string>;
  /** Remembers a secret that came from elsewhere, such as a token. */
  add(secret: string): void;
  /** The text with `***` for every secret that was read so far. */
  redact(text: string): string;
}

/** @param root what a relative `file:` starts from */
export function openSecrets(environment: Readonly<NodeJS.ProcessEnv>, root: string): Secrets {
  const known = new Set<string>();
  const secrets: Secrets = {
    async valueOf(text) {
      if (!isReference(text)) return text;
      const { value, refusal } = await readReference(text, environment, root);
      if (refusal !== undefined) throw refused(text, refusal);
      if (value === undefined || value === '') throw missing(text);
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

function missing(reference: string): TerminalError {
  return new TerminalError('ELT_SECRET_MISSING', `Reading the secret ${reference} failed: there is none on the worker.`, {
    details: { reference },
    next: reference.startsWith('env:') ? 'Set the variable where the worker starts; one that is up takes it after `plumbline down` and `plumbline up`.' : 'Put the file where the worker can read it.',
  }); // prettier-ignore
}
