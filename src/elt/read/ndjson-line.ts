export type JsonKind = 'string' | 'number' | 'boolean' | 'null' | 'nested';

export interface JsonMember {
  readonly key: string;
  readonly kind: JsonKind;
  /** The value as it is written: numbers keep every digit. */
  readonly source: string;
}

/**
 * The members of one JSON object in their order, values as source text; a repeated key stands once, with its last
 * value. Throws SyntaxError for anything but an object.
 */
export function jsonMembers(line: string): JsonMember[] {
  const parsed: unknown = JSON.parse(line);
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new SyntaxError(`expected a JSON object, got ${Array.isArray(parsed) ? 'an array' : JSON.stringify(parsed)}`);
  // JSON.parse has checked the syntax; what follows only finds where the values lie.
  const members = new Map<string, JsonMember>();
  let index = line.indexOf('{') + 1;
  for (;;) {
    index = line.indexOf('"', index);
    if (index === -1) break;
    const keyEnd = stringEnd(line, index);
    const key = text(line.slice(index, keyEnd));
    const start = skipBlanks(line, line.indexOf(':', keyEnd) + 1);
    const end = valueEnd(line, start);
    const source = line.slice(start, end).trimEnd();
    members.set(key, { key, kind: kindOf(source), source });
    index = end;
    if (line[index] === '}') break;
  }
  return [...members.values()];
}

/** The values of one JSON array in their order, as source text. Throws SyntaxError for anything but an array. */
export function jsonElements(source: string): string[] {
  if (!Array.isArray(JSON.parse(source))) throw new SyntaxError('expected a JSON array');
  const elements: string[] = [];
  for (let index = source.indexOf('[') + 1; ; index++) {
    const start = skipBlanks(source, index);
    if (source[start] === ']') return elements;
    index = valueEnd(source, start);
    elements.push(source.slice(start, index).trimEnd());
    if (source[index] === ']') return elements;
  }
}

/** The string that a JSON string literal stands for. */
export function text(source: string): string {
  return source.includes('\\') ? (JSON.parse(source) as string) : source.slice(1, -1);
}

function kindOf(source: string): JsonKind {
  switch (source[0]) {
    case '"':
      return 'string';
    case '{':
    case '[':
      return 'nested';
    case 't':
    case 'f':
      return 'boolean';
    case 'n':
      return 'null';
    default:
      return 'number';
  }
}

function skipBlanks(line: string, from: number): number {
  let index = from;
  while (' \t\r\n'.includes(line[index] ?? 'x')) index++;
  return index;
}

function stringEnd(line: string, start: number): number {
  for (let index = start + 1; ; index++) {
    if (line[index] === '\\') index++;
    else if (line[index] === '"') return index + 1;
  }
}

/** The index of the comma, brace or bracket behind the value. */
function valueEnd(line: string, start: number): number {
  let depth = 0;
  for (let index = start; ; index++) {
    const character = line[index];
    if (character === '"') index = stringEnd(line, index) - 1;
    else if (character === '{' || character === '[') depth++;
    else if (depth === 0 && (character === ',' || character === '}' || character === ']')) return index;
    else if (character === '}' || character === ']') depth--;
  }
}
