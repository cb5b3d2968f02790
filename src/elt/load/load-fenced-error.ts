import { TransientError } from '../../errors.js';

/** Another attempt holds the load or the publication now; what this one did is rolled back. */
export class LoadFencedError extends TransientError {
  constructor(what: string, details: Readonly<Record<string, unknown>>) {
    super('ELT_LOAD_FENCED', `${what} was taken over by another attempt; this one ends without effect.`, {
      details,
      next: 'Nothing: the other attempt goes on.',
    });
  }
}
