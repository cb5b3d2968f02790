import { InvalidArgumentError } from 'commander';

export function parseLimit(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && number <= 10_000) return number;
  throw new InvalidArgumentError('Expected a whole number from 1 to 10000.');
}

/** A number that PostgreSQL gave, as the text that it came as. */
export function parseId(text: string): string {
  if (/^[1-9]\d{0,17}$/.test(text)) return text;
  throw new InvalidArgumentError('Expected a number as `plumbline loads list` shows it.');
}
