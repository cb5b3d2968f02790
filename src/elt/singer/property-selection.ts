import { jsonElements, jsonMembers, text } from '../read/ndjson-line.js';

/** Why the properties that a resource asks for cannot be chosen; the message says what was found. */
export class SelectionFault extends Error {
  override readonly name = 'SelectionFault';
}

/**
 * Whether a property is chosen by patterns such as `name`, `address_*` and `!password`: it has to match one of those without `!`, where there
 * are any, and none of those with it. `*` stands for any text.
 */
export function isChosen(name: string, patterns: readonly string[]): boolean {
  const chosen = patterns.filter((pattern) => !pattern.startsWith('!'));
  return (chosen.length === 0 || chosen.some((pattern) => matches(name, pattern))) && !isExcluded(name, patterns);
}

/**
 * Throws SelectionFault for a pattern that no property matches, and for one that would leave out what is always sent.
 *
 * @param always properties that a tap sends whatever is asked for
 */
export function assertSelection(
  patterns: readonly string[],
  properties: readonly string[],
  always: readonly string[],
): void {
  const unknown = patterns.find((pattern) => !properties.some((name) => matches(name, pattern.replace(/^!/, ''))));
  const shown = properties.slice(0, 30).join(', ');
  if (unknown !== undefined)
    throw new SelectionFault(
      `no property matches ${JSON.stringify(unknown)}; it has ${properties.length > 30 ? `${shown}, … (${properties.length})` : shown}`,
    );
  const kept = always.find((name) => isExcluded(name, patterns));
  if (kept !== undefined)
    throw new SelectionFault(
      `${JSON.stringify(kept)} cannot be left out: it is part of the key, or the tap always sends it`,
    );
}

/** A schema without the properties that are not kept, the rest as it is written. */
export function schemaOfKept(schema: string, isKept: (name: string) => boolean): string {
  const members = jsonMembers(schema).map(({ key, source }) => {
    if (key === 'properties' && source.startsWith('{')) return { key, source: membersOfKept(source, isKept) };
    if (key !== 'required' || !source.startsWith('[')) return { key, source };
    const required = jsonElements(source).filter((element) => !element.startsWith('"') || isKept(text(element)));
    return { key, source: `[${required.join(',')}]` };
  });
  return object(members);
}

/** An object without the members that are not kept, the rest as it is written. */
export function membersOfKept(source: string, isKept: (name: string) => boolean): string {
  return object(jsonMembers(source).filter(({ key }) => isKept(key)));
}

function object(members: readonly { readonly key: string; readonly source: string }[]): string {
  return `{${members.map(({ key, source }) => `${JSON.stringify(key)}:${source}`).join(',')}}`;
}

function isExcluded(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern.startsWith('!') && matches(name, pattern.slice(1)));
}

function matches(name: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`).test(name);
}
