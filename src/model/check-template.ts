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

/** nunjucks takes anything between two marks for a name and writes it between quotation marks into the code that it makes: `x\` would end no text. */
function assertNames(node: TemplateNode, file: string): void {
  if (node.typename === 'Symbol' && !/^[\p{L}\p{N}_$]+$/u.test(String(node.value)))
    throw templateError(file, `\`${String(node.value)}\` is no name`, node.lineno + 1);
  for (const field of node.fields) {
    const value = node[field];
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) assertNames(child, file);
  }
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
  for (const field of node.fields) {
    // Names of filters, of tests after `is` and of keyword arguments are not variables.
    if (field === 'name' && /^Filter/.test(node.typename)) continue;
    if (field === 'right' && node.typename === 'Is') continue;
    if (field === 'key' && node.typename === 'Pair') continue;
    const value = node[field];
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit);
  }
}

export function isNode(value: unknown): value is TemplateNode {
  return typeof value === 'object' && value !== null && 'typename' in value;
}

function hasFilter(environment: nunjucks.Environment, name: string): boolean {
  if (name in Object.prototype) return false;
  try {
    environment.getFilter(name);
    return true;
  } catch {
    return false;
  }
}
