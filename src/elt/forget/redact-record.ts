/** What stands where a text was. */
export const takenOut = '(taken out: it had a key that was forgotten)';

/** Members of records in which a user's values are quoted; what is elsewhere is names, numbers and hashes. */
const QUOTING = new Set(['message', 'next', 'stack', 'notices', 'errorMessage', 'stackTrace']);

/** Matches a text that has one of the words, also where it is written as JSON, or as JSON inside of JSON. */
export function wordOf(words: readonly string[]): RegExp {
  const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);
  const written = words.flatMap((one) => [one, escaped(one), escaped(escaped(one))]);
  const patterns = [...new Set(written)].map((one) => one.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
  return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${patterns.join('|')})(?![\\p{L}\\p{N}_])`, 'iu');
}

/**
 * The record without the texts that have the word, and without the rows of samples and the details that do; the same object when there is
 * none. Only what quotes a user's values is looked into, so that ids, counts and places stay what they are.
 */
export function redactRecord(record: unknown, word: RegExp): unknown {
  if (Array.isArray(record)) return same(record, record.map((one) => redactRecord(one, word))); // prettier-ignore
  if (typeof record !== 'object' || record === null) return record;
  const before = Object.entries(record);
  const after = before.map(([name, value]): [string, unknown] => [name, redactMember(name, value, word)]);
  return after.every(([, value], index) => value === before[index]![1]) ? record : Object.fromEntries(after);
}

function redactMember(name: string, value: unknown, word: RegExp): unknown {
  if (QUOTING.has(name)) return redactQuoted(value, word);
  if (name === 'sample' && Array.isArray(value)) return withoutRows(value, word);
  if (name === 'details' && typeof value === 'object' && value !== null) return redactDetails(value, word);
  return redactRecord(value, word);
}

function redactQuoted(value: unknown, word: RegExp): unknown {
  if (typeof value === 'string') return word.test(value) ? takenOut : value;
  return Array.isArray(value) ? same(value, value.map((one) => redactQuoted(one, word))) : redactRecord(value, word); // prettier-ignore
}

/** A detail may be a key, an example, a row: of any form. */
function redactDetails(details: object, word: RegExp): object {
  const before = Object.entries(details);
  const after = before.map(([name, value]): [string, unknown] => {
    if (Array.isArray(value)) return [name, withoutRows(value, word)];
    return [name, has(value, word) ? takenOut : value];
  });
  return after.every(([, value], index) => value === before[index]![1]) ? details : Object.fromEntries(after);
}

function withoutRows(rows: readonly unknown[], word: RegExp): readonly unknown[] {
  const kept = rows.filter((row) => !has(row, word));
  return kept.length === rows.length ? rows : kept;
}

function has(value: unknown, word: RegExp): boolean {
  return value !== undefined && word.test(JSON.stringify(value));
}

function same(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  return after.every((one, index) => one === before[index]) ? before : after;
}
