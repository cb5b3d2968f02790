import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type ParsedNode,
  type Scalar,
} from 'yaml';
import type { SourcePosition } from '../errors.js';
import type { Problem } from './problem.js';

export type Path = readonly PropertyKey[];

/** Plain values, and where in the file each key and value stands. */
export interface LocatedYaml {
  readonly file: string;
  readonly value: unknown;
  /** By `pathKey(path)`. */
  readonly places: ReadonlyMap<string, { readonly key: SourcePosition; readonly value: SourcePosition }>;
}

export function pathKey(path: Path): string {
  return JSON.stringify(path);
}

/** Where the key or value at `path` stands; for a path that is not there, its nearest parent. */
export function positionAt(yaml: LocatedYaml, path: Path, part: 'key' | 'value' = 'value'): SourcePosition {
  for (let length = path.length; length >= 0; length--) {
    const place = yaml.places.get(pathKey(path.slice(0, length)));
    // A parent's value may start lines below its key, at some other entry: its key is what the eye looks for.
    if (place !== undefined) return length === path.length ? place[part] : place.key;
  }
  return { file: yaml.file, line: 1, column: 1 };
}

// An alias may refer to its own parent, and a few lines of nested aliases can unfold to billions of nodes.
const MAX_DEPTH = 30;
const MAX_NODES = 20_000;

/** @param shift columns that stand before each line of `text` in the file (SQL headers), by line from 1 */
export function parseYaml(
  file: string,
  text: string,
  shift: ReadonlyMap<number, number> = new Map(),
): { readonly yaml: LocatedYaml; readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const locate = (offset: number): SourcePosition => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col + (shift.get(line) ?? 0) };
  };
  const problems = [...document.errors, ...document.warnings].map((error) =>
    syntaxProblem(file, error.message, locate(error.pos[0])),
  );
  if (problems.length > 0) return { yaml: { file, value: undefined, places: new Map() }, problems };
  const reader = new Reader(document, file, locate);
  const value = reader.read(document.contents, [], undefined, 0);
  return { yaml: { file, value, places: reader.places }, problems: reader.problems };
}

function syntaxProblem(file: string, message: string, at: SourcePosition): Problem {
  const reason = message.replace(/\.$/, '');
  return {
    code: 'PROJECT_YAML_SYNTAX',
    message: `Reading ${file} as YAML failed: ${reason}.`,
    at,
    next: 'Correct the line; look at its indentation, its quotes and its colons.',
  };
}

/** A number of JavaScript has some sixteen digits; a longer whole number would be another one, and nobody would see it. */
function isRounded({ value, source = '' }: Scalar): boolean {
  return (
    typeof value === 'number' &&
    /^([-+]?\d+|0x[\da-f]+|0o[0-7]+)$/i.test(source) &&
    String(BigInt(source)) !== String(value)
  );
}

function roundedProblem(file: string, path: Path, { value, source }: Scalar, at: SourcePosition): Problem {
  return {
    code: 'PROJECT_VALUE_INVALID',
    message: `Reading ${file} failed: ${path.map(String).join('.')}: ${source} would be read as ${String(value)}; expected a whole number below 2^53, or a larger one in quotes.`,
    at,
    next: 'Put it in quotes.',
  };
}

class Reader {
  readonly places = new Map<string, { key: SourcePosition; value: SourcePosition }>();
  readonly problems: Problem[] = [];
  private nodes = 0;

  constructor(
    private readonly document: Document.Parsed,
    private readonly file: string,
    private readonly locate: (offset: number) => SourcePosition,
  ) {}

  read(node: ParsedNode | null, path: Path, key: SourcePosition | undefined, depth: number): unknown {
    const own = this.locate(node?.range[0] ?? 0);
    const at = node === null ? (key ?? own) : own;
    this.nodes++;
    if (depth > MAX_DEPTH || this.nodes > MAX_NODES) {
      if (!this.problems.some(({ code }) => code === 'PROJECT_YAML_SYNTAX'))
        this.problems.push(syntaxProblem(this.file, 'it is nested too deeply or unfolds to too many values', at));
      return undefined;
    }
    if (!this.places.has(pathKey(path))) this.places.set(pathKey(path), { key: key ?? at, value: at });
    if (isAlias(node)) {
      const target = node.resolve(this.document) as ParsedNode | undefined;
      if (target !== undefined) return this.read(target, path, key, depth + 1);
      this.problems.push(syntaxProblem(this.file, `there is no anchor &${node.source}`, at));
      return undefined;
    }
    if (isScalar(node)) {
      if (isRounded(node)) this.problems.push(roundedProblem(this.file, path, node, at));
      return node.value;
    }
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, index], undefined, depth + 1));
    if (!isMap(node)) return null;
    const entries: [string, unknown][] = [];
    for (const { key: keyNode, value } of node.items) {
      const keyAt = this.locate(keyNode.range[0]);
      const name = isScalar(keyNode) ? String(keyNode.value) : undefined;
      if (name === undefined || name === '__proto__') this.refuseKey(name, keyAt);
      else entries.push([name, this.read(value, [...path, name], keyAt, depth + 1)]);
    }
    return Object.fromEntries(entries);
  }

  /** `__proto__` would change an object instead of being one of its keys; no name of the project needs it. */
  private refuseKey(name: string | undefined, at: SourcePosition): void {
    this.problems.push({
      code: 'PROJECT_KEY_UNKNOWN',
      message: `Reading ${this.file} failed: ${name === undefined ? 'a list or mapping' : JSON.stringify(name)} cannot be a key.`,
      at,
      next: 'Remove it or rename it.',
    });
  }
}
