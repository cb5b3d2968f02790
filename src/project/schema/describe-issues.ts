import type { z } from 'zod';
import { positionAt, type LocatedYaml, type Path } from '../located-yaml.js';
import { didYouMean, nearest } from '../../model/nearest.js';
import type { Problem } from '../problem.js';
import { acceptedKeys } from './accepted-keys.js';
import { isLaterKey, isLaterValue } from './later-keys.js';
import { SECRET_EXPECTED } from './values.js';

type Issue = z.core.$ZodIssue;

/** What the schema holds against the user's values, in the user's words, at the user's lines. */
export function describeIssues(yaml: LocatedYaml, schema: z.core.$ZodType, issues: readonly Issue[]): Problem[] {
  const misspelt = misspeltKeys({ yaml, schema }, issues);
  return issues
    .filter(({ path }) => valueAt(yaml.value, path) !== undefined || !misspelt.has(JSON.stringify(path)))
    .filter((issue) => issue.code !== 'custom' || !isAbout(yaml, issue.path, misspelt))
    .flatMap((issue) => describeIssue({ yaml, schema }, issue, []));
}

/** Paths of the keys that unknown ones were meant to be: that they are missing is not a second problem. */
function misspeltKeys({ yaml, schema }: Scope, issues: readonly Issue[]): Set<string> {
  const paths = issues.flatMap((issue) =>
    issue.code !== 'unrecognized_keys'
      ? []
      : issue.keys.map((key) => [...issue.path, nearest(key, acceptedKeys(schema, issue.path, yaml.value))]),
  );
  return new Set(paths.map((path) => JSON.stringify(path)));
}

/** Whether a rule is about a mapping, or a plain value in it, of which a key is unknown: it may hold once that is corrected. */
function isAbout(yaml: LocatedYaml, path: Path, misspelt: ReadonlySet<string>): boolean {
  const mappings = [...misspelt].map((key) => JSON.stringify((JSON.parse(key) as Path).slice(0, -1)));
  const about = typeof valueAt(yaml.value, path) === 'object' ? path : path.slice(0, -1);
  return mappings.includes(JSON.stringify(about));
}

interface Scope {
  readonly yaml: LocatedYaml;
  readonly schema: z.core.$ZodType;
}

function describeIssue(scope: Scope, issue: Issue, parent: Path): Problem[] {
  const path = [...parent, ...issue.path];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(scope, path, key));
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => invalidName(scope, path, inner.message));
  if (issue.code === 'invalid_union') {
    const value = valueAt(scope.yaml.value, path);
    if (isLaterValue(path, value)) return [later(scope, path, `the value ${JSON.stringify(value)}`, 'value')];
    const branch = likelyBranch(issue);
    if (branch !== undefined) return branch.flatMap((inner) => describeIssue(scope, inner, path));
  }
  return [wrongValue(scope, path, issue)];
}

/** The form of a union that the user had in mind: the only one that the value has the right outer shape for. */
function likelyBranch(issue: z.core.$ZodIssueInvalidUnion): readonly Issue[] | undefined {
  const fitting = issue.errors.filter((branch) => branch.every((inner) => inner.path.length > 0 || !isOuter(inner)));
  return fitting.length === 1 && fitting[0]!.length > 0 ? fitting[0] : undefined;
}

function isOuter({ code }: Issue): boolean {
  return code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_format';
}

/** A source has more keys than anyone reads in an error; that many are still a help beside a likely one. */
const MOST_NAMED = 20;

function unknownKey({ yaml, schema }: Scope, parent: Path, key: string): Problem {
  const at = positionAt(yaml, [...parent, key], 'key');
  if (isLaterKey(parent, key)) return later({ yaml, schema }, [...parent, key], 'it', 'key');
  const accepted = acceptedKeys(schema, parent, yaml.value);
  const isOfAnotherType = acceptedKeys(schema, parent, undefined).includes(key);
  const closest = isOfAnotherType ? undefined : nearest(key, accepted);
  const hint = isOfAnotherType ? ', which goes with another `type`.' : didYouMean(key, accepted) || '.';
  return {
    code: 'PROJECT_KEY_UNKNOWN',
    message: `Reading ${yaml.file} failed: ${place(parent)} has no key ${JSON.stringify(key)}${hint}`,
    at,
    next:
      closest === undefined
        ? `Use one of ${accepted.join(', ')}, or remove it.`
        : accepted.length > MOST_NAMED
          ? `Rename it to ${closest}.`
          : `Rename it to ${closest}, or use one of ${accepted.join(', ')}.`,
  };
}

function later({ yaml }: Scope, path: Path, what: string, part: 'key' | 'value'): Problem {
  return {
    code: 'PROJECT_KEY_LATER',
    message: `Reading ${yaml.file} failed: ${place(path)}: ${what} is not available in this version of plumbline.`,
    at: positionAt(yaml, path, part),
    next: 'Remove it.',
  };
}

function invalidName({ yaml }: Scope, path: Path, expected: string): Problem {
  return {
    code: 'PROJECT_VALUE_INVALID',
    message: `Reading ${yaml.file} failed: the name ${JSON.stringify(path.at(-1))} under ${place(path.slice(0, -1))}: ${expected}.`,
    at: positionAt(yaml, path, 'key'),
    next: 'Rename it.',
  };
}

function wrongValue({ yaml }: Scope, path: Path, issue: Issue): Problem {
  const value = valueAt(yaml.value, path);
  const expected = expectation(issue);
  if (value === undefined || (value === null && path.length === 0)) {
    const given = `${path.length === 1 ? 'there is' : `${place(path.slice(0, -1))} has`} no ${JSON.stringify(path.at(-1))}`;
    return {
      code: 'PROJECT_KEY_MISSING',
      message: `Reading ${yaml.file} failed: ${path.length === 0 ? 'it is empty' : given}, ${expected}.`,
      at: positionAt(yaml, path),
      next:
        path.length === 0 ? 'Write `name: my-project` and what the project has.' : `Add \`${String(path.at(-1))}:\`.`,
    };
  }
  if (isLaterValue(path, value))
    return later({ yaml, schema: undefined! }, path, `the value ${JSON.stringify(value)}`, 'value');
  const isSecret = expected === SECRET_EXPECTED;
  const hint =
    issue.code === 'invalid_value' && typeof value === 'string' ? didYouMean(value, issue.values.map(String)) : '';
  return {
    code: isSecret ? 'PROJECT_SECRET_IN_FILE' : 'PROJECT_VALUE_INVALID',
    message: `Reading ${yaml.file} failed: ${place(path)} is ${isSecret ? 'written out' : shown(value)}, ${expected}${hint || '.'}`,
    at: positionAt(yaml, path),
    next: isSecret
      ? 'Put it into an environment variable and write env:NAME here, or into a file and write file:path.'
      : `Correct ${nameOf(path)}.`,
  };
}

/** Its last key, with the places in lists behind it: `on[0]`. */
function nameOf(path: Path): string {
  const key = path.findLastIndex((step) => typeof step === 'string');
  return place(path.slice(Math.max(key, 0)));
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys and values',
  record: 'a mapping of names and values',
};

function expectation(issue: Issue): string {
  if (issue.message.startsWith('expected ')) return issue.message;
  if (issue.code === 'invalid_type') return `expected ${WORDS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `expected ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_small') return `expected at least ${issue.minimum}`;
  if (issue.code === 'invalid_union' && 'options' in issue)
    return `expected ${(issue.options ?? []).map(String).join(', ')}`;
  return issue.message;
}

/** `train.features[1]`, or `the file` at the top. */
function place(path: Path): string {
  if (path.length === 0) return 'the file';
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`))
    .join('');
}

function shown(value: unknown): string {
  // An address with a password in it may stand at a place where it does not belong.
  const json = (JSON.stringify(value) ?? 'nothing').replaceAll(/:\/\/[^/@\s"]*@/g, '://***@');
  return json.length > 80 ? `${json.slice(0, 77)}…` : json;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (current, step) =>
      typeof current === 'object' && current !== null && Object.hasOwn(current, step)
        ? (current as Record<PropertyKey, unknown>)[step]
        : undefined,
    value,
  );
}
