import type { ServingErrorCode } from './errors.js';

/** An answer other than 200: `{ error, code, input? }` with `status`. */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly code: ServingErrorCode,
    message: string,
    /** Name of the model's input, or key of the body, that is at fault. */
    readonly input?: string,
  ) {
    super(message);
    this.name = 'RequestError';
  }
}

/** A received JSON value as an error message shows it, cut to 60 characters. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return `the boolean ${value}`;
  if (typeof value === 'string') return `the string ${quoted(value)}`;
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
}

/** A name or text from a request, cut to 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}

/** Names as an error message lists them, at most twenty. */
export function listed(names: Iterable<string>): string {
  const all = [...names].map((name) => JSON.stringify(name));
  return all.length > 20 ? `${all.slice(0, 20).join(', ')} and ${all.length - 20} more` : all.join(', ') || 'none';
}
