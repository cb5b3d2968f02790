import { positionAt, type LocatedYaml, type Path } from './located-yaml.js';
import type { Problem } from './problem.js';

export interface ResourceScope {
  /** The project's folder. */
  readonly root: string;
  readonly yaml: LocatedYaml;
  readonly report: (problem: Problem) => void;
  /** Takes one line for each default that is applied. */
  readonly applied: (line: string) => void;
}

/** One resource in the file: its name, what is said of it there or at its source, and where. */
export interface ResourcePlace<Yaml> {
  readonly source: string;
  readonly id: string;
  readonly table: string;
  readonly given: Yaml;
  readonly path: Path;
}

export interface Refusal {
  /** @default PROJECT_VALUE_INVALID */
  readonly code?: Problem['code'];
  /** The resource and what is wrong with it: `sources.a has a table and a query.` */
  readonly message: string;
  /** The key, or the keys that lead to it, that is shown; without one the resource itself is. */
  readonly at?: string | Path;
  /** Whether the key's name or its value is shown. @default 'value' */
  readonly part?: 'key' | 'value';
  readonly next: string;
}

/** Reports what is wrong with a resource. */
export function refuser({ path }: Pick<ResourcePlace<unknown>, 'path'>, { yaml, report }: ResourceScope) {
  return ({ code = 'PROJECT_VALUE_INVALID', message, at, part = 'value', next }: Refusal): void => {
    const where =
      at === undefined ? positionAt(yaml, path, 'key') : positionAt(yaml, [...path, ...[at].flat()] as Path, part);
    report({ code, message: `Reading ${yaml.file} failed: ${message}`, at: where, next });
  };
}

/** Where a resource stands, for what goes wrong when it is loaded. */
export function placeInFile(
  { path }: Pick<ResourcePlace<unknown>, 'path'>,
  { yaml }: ResourceScope,
): { readonly file: string; readonly line: number } {
  return { file: yaml.file, line: positionAt(yaml, path, 'key').line ?? 1 };
}
