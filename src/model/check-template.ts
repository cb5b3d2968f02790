import nunjucks from 'nunjucks';
import { closest } from 'fastest-levenshtein';
import { TerminalError } from '../errors.js';

/** What the nunjucks parser gives; lines count from 0. Its type package leaves it out. */
export interface TemplateNode {
  readonly typename: string;
  readonly lineno: number;
  readonly value?: unknown;
  readonly fields: readonly string[];
  readonly [field: string]: unknown;
}
const { parser } = nunjucks as unknown as { readonly parser: { parse(source: string): TemplateNode } };

const ALWAYS_THERE = new Set(['loop', 'range', 'cycler', 'joiner', 'caller', 'varargs', 'kwargs']);
const ASYNCHRONOUS = new Set(['AsyncEach', 'AsyncAll', 'IfAsync']);
const OTHER_FILES = new Set(['Include', 'Import', 'FromImport', 'Extends', 'TemplateRef']);

/**
 * Refuses, before anything is rendered, names the template uses and nobody defines: `SQL_TEMPLATE` with file and line.
 * nunjucks itself would notice only those that are reached, and with another line.
 */
export function checkTemplate(
  template: string,
  file: string,
  variables: readonly string[],
  environment: nunjucks.Environment,
): void {
  const root = parseTemplate(template, file);
  const known = new Set([...variables, ...ALWAYS_THERE, ...namesDefinedIn(root)]);
  walk(root, (node) => {
    const at = { file, line: node.lineno + 1 };
    if (OTHER_FILES.has(node.typename))
      throw templateError(file, `a template cannot read other templates (${node.typename.toLowerCase()})`, at.line);
    if (ASYNCHRONOUS.has(node.typename))
      throw templateError(file, 'a template waits for nothing: write `for` and `if`', at.line);
    if (node.typename === 'Is') {
      const test = testName(node['right'] as TemplateNode);
      if (test === undefined || !hasTest(environment, test))
        throw templateError(
          file,
          'after `is` stands the name of a test, with at most one value, as `is divisibleby(3)`',
          at.line,
        );
    }
    if (node.typename === 'Filter' || node.typename === 'FilterAsync') {
      const name = String((node['name'] as TemplateNode).value);
      if (!hasFilter(environment, name)) throw templateError(file, `there is no filter \`${name}\``, at.line);
    }
    const name = node.typename === 'Symbol' ? String(node.value) : undefined;
    // Every object has these, and so has the one that nunjucks looks names up in, where none of its own is set.
    if (name !== undefined && name in Object.prototype)
      throw templateError(file, `a template cannot use \`${name}\``, at.line);
    if (name !== undefined && !known.has(name)) {
      if (name === 'config')
        throw templateError(
          file,
          'plumbline has no `config(…)`',
          at.line,
          'Write settings as comments at the top of the file, one a line, such as `-- materialized: table`, and remove the call.',
        );
      throw templateError(file, `\`${name}\` is not defined (nearest: \`${closest(name, [...known])}\`)`, at.line);
    }
  });
}

export function templateError(
  file: string,
  problem: string,
  line?: number,
  next = 'Correct the template. Known are ref(name), source(name, resource), var(name, default), this, is_incremental() and ' +
    'the macros of macros/*.sql; interval.start and interval.end have a value in sql/*.sql of a run with an interval.',
): TerminalError {
  return new TerminalError('SQL_TEMPLATE', `Rendering ${file} failed: ${problem}.`, {
    at: line === undefined ? { file } : { file, line },
    next,
  });
}

/** The line in a message of nunjucks, `(file) [Line 3, Column 5]`, and the message without it. */
export function readTemplateMessage(message: string): { readonly problem: string; readonly line?: number } {
  const line = /\[Line (\d+)/.exec(message)?.[1];
  const problem = message
    .replace(/^\(.*?\)( \[.*?\])?\s*/s, '')
    .replace(/^(Template render error|Error): /, '')
    .trim();
  return line === undefined ? { problem } : { problem, line: Number(line) };
}

export function parseTemplate(template: string, file: string): TemplateNode {
  const root = parsed(template, file);
  assertNames(root, file);
  return root;
}

function parsed(template: string, file: string): TemplateNode {
  try {
    return parser.parse(template);
  } catch (error) {
    const { lineno, message } = error as { lineno?: number; message: string };
    // An unclosed tag is noticed at the end of the file; name its last line rather than none.
    throw templateError(file, readTemplateMessage(message).problem, lineno ?? template.split('\n').length);
  }
}

/**
 * nunjucks takes anything between two marks for a name, and a text for one where it expects one, and writes it between quotation
 * marks into the code that it makes: `x\` would end no text, `"` would end one.
 */
function assertNames(node: TemplateNode, file: string): void {
  const written = node.typename === 'Symbol' ? [node] : namesIn(node);
  const wrong = written.find(
    ({ typename, value }) => typename !== 'Symbol' || !/^[\p{L}\p{N}_$]+$/u.test(String(value)),
  );
  if (wrong !== undefined) throw templateError(file, `\`${String(wrong.value)}\` is no name`, node.lineno + 1);
  for (const child of childrenOf(node)) assertNames(child, file);
}

/** What a node gives a name to. */
function namesIn(node: TemplateNode): readonly TemplateNode[] {
  const name = node['name'] as TemplateNode;
  if (node.typename === 'Set') return node['targets'] as TemplateNode[];
  if (['For', 'AsyncEach', 'AsyncAll'].includes(node.typename))
    return name.typename === 'Array' ? nodesOf(name) : [name];
  if (node.typename !== 'Macro' && node.typename !== 'Caller') return [];
  const parameters = nodesOf(node['args'] as TemplateNode).flatMap((parameter) =>
    ['Dict', 'KeywordArgs'].includes(parameter.typename)
      ? nodesOf(parameter).map((pair) => pair['key'] as TemplateNode)
      : [parameter],
  );
  return [name, ...parameters];
}

/** The name after `is`. nunjucks writes several values after each other, as one expression. */
function testName({ typename, value, name, args }: TemplateNode): string | undefined {
  if (typename === 'Symbol') return String(value);
  if (typename === 'Literal' && value === null) return 'null';
  const called = name as TemplateNode | undefined;
  if (typename !== 'FunCall' || called?.typename !== 'Symbol' || nodesOf(args as TemplateNode).length > 1)
    return undefined;
  return String(called.value);
}

function nodesOf(list: TemplateNode): readonly TemplateNode[] {
  return list['children'] as TemplateNode[];
}

function namesDefinedIn(root: TemplateNode): string[] {
  const names: string[] = [];
  const collect = (node: unknown): void => {
    if (!isNode(node)) return;
    walk(node, (inner) => {
      if (inner.typename === 'Symbol') names.push(String(inner.value));
      if (inner.typename === 'Pair') collect(inner['key']);
    });
  };
  walk(root, (node) => {
    if (node.typename === 'Set') (node['targets'] as unknown[]).forEach(collect);
    if (['For', 'AsyncEach', 'AsyncAll', 'Macro'].includes(node.typename)) collect(node['name']);
    if (node.typename === 'Macro' || node.typename === 'Caller') collect(node['args']);
  });
  return names;
}

export function walk(node: TemplateNode, visit: (node: TemplateNode) => unknown): void {
  visit(node);
  // Names of filters, of tests after `is` and of keyword arguments are not variables.
  if (/^Filter/.test(node.typename)) walk(node['args'] as TemplateNode, visit);
  else if (node.typename === 'Is') {
    walk(node['left'] as TemplateNode, visit);
    const { args } = node['right'] as TemplateNode;
    if (isNode(args)) walk(args, visit);
  } else if (node.typename === 'Pair') walk(node['value'] as TemplateNode, visit);
  else for (const child of childrenOf(node)) walk(child, visit);
}

/** The names of a node's parts. nunjucks forgets one: what stands between `set` and `endset`. */
export function fieldsOf(node: TemplateNode): readonly string[] {
  return node.typename === 'Set' && isNode(node['body']) ? [...node.fields, 'body'] : node.fields;
}

function childrenOf(node: TemplateNode): TemplateNode[] {
  return fieldsOf(node)
    .flatMap((field) => node[field])
    .filter(isNode);
}

export function isNode(value: unknown): value is TemplateNode {
  return typeof value === 'object' && value !== null && 'typename' in value;
}

function hasFilter(environment: nunjucks.Environment, name: string): boolean {
  return hasPart(() => environment.getFilter(name));
}

function hasTest(environment: nunjucks.Environment, name: string): boolean {
  return hasPart(() => (environment as unknown as { getTest(name: string): unknown }).getTest(name));
}

function hasPart(get: () => unknown): boolean {
  try {
    get();
    return true;
  } catch {
    return false;
  }
}
