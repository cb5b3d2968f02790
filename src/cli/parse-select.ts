import { InvalidArgumentError } from 'commander';
import { SELECTOR } from '../model/selection.js';

/** `a,b+` and a repeated option → one list. */
export function parseSelect(value: string, former: readonly string[] = []): string[] {
  const names = value.split(/[\s,]+/).filter((name) => name !== '');
  const wrong = names.find((name) => !SELECTOR.test(name));
  if (names.length === 0 || wrong !== undefined)
    throw new InvalidArgumentError(`expected name, name+ or +name, got ${JSON.stringify(wrong ?? value)}.`);
  return [...former, ...names];
}
