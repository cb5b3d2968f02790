import { createHash } from 'node:crypto';
import nunjucks from 'nunjucks';
import { PipelineError } from '../errors.js';
import {
  checkTemplate,
  fieldsOf,
  isNode,
  parseTemplate,
  readTemplateMessage,
  templateError,
  walk,
  type TemplateNode,
} from './check-template.js';
import type { MacroFile } from './project.js';
import { environment } from './template-environment.js';

/** Names a macro cannot have: they are there already. */
const BUILT_IN = ['ref', 'source', 'var', 'this', 'interval', 'is_incremental'];

export interface Macro {
  readonly name: string;
  readonly file: string;
  /** Where `{% macro` stands, from 1. */
  readonly line: number;
  /** SHA-256 of what it says, comments and white space inside its tags left out. */
  readonly digest: string;
  /** Macros it calls, directly or through others. */
  readonly calls: readonly string[];
}

export interface MacroSet {
  readonly macros: ReadonlyMap<string, Macro>;
  /** All files in one template, so that macros of different files can call each other. */
  readonly template: string;
  /** Place in the user's files of each line of `template`, from 1. */
  readonly places: readonly { readonly file: string; readonly line: number }[];
}

// Every SQL file and test of a project is rendered with the same list.
const compiled = new WeakMap<readonly MacroFile[], MacroSet>();

/**
 * Reads the macros of all files and checks that they name nothing unknown. Throws `SQL_TEMPLATE` with file and line: a
 * name given twice, text outside a macro, a mistake inside one.
 */
export function compileMacros(files: readonly MacroFile[]): MacroSet {
  const known = compiled.get(files);
  if (known !== undefined) return known;
  const texts = files.map(({ file, sql }) => ({ file, text: sql.replaceAll('\r\n', '\n') }));
  const nodes = new Map<string, { readonly node: TemplateNode; readonly file: string }>();
  for (const { file, text } of texts) {
    for (const node of (parseTemplate(text, file)['children'] ?? []) as TemplateNode[]) {
      if (node.typename === 'Macro') addMacro(nodes, node, file);
      else assertComment(node, file);
    }
  }
  for (const { file, text } of texts) checkTemplate(text, file, [...BUILT_IN, ...nodes.keys()], environment);
  const template = texts.map(({ text }) => text).join('\n');
  // What is run: a tag that one file leaves open would make others of the next.
  checkTemplate(template, texts[0]?.file ?? 'macros', [...BUILT_IN, ...nodes.keys()], environment);
  const set: MacroSet = {
    macros: new Map([...nodes].map(([name, { node, file }]) => [name, describe(name, node, file, nodes)])),
    template,
    places: texts.flatMap(({ file, text }) => text.split('\n').map((_, index) => ({ file, line: index + 1 }))),
  };
  compiled.set(files, set);
  return set;
}

/**
 * The macros as functions for a template in which `variables` are known. A mistake inside one is thrown with the
 * macro's own place; what `variables` throw is thrown with the macro's name before it.
 *
 * @param onUse told of each macro that a call reaches, with its digest
 */
export function exportMacros(
  { macros, template, places }: MacroSet,
  variables: Readonly<Record<string, unknown>>,
  onUse: (name: string, digest: string) => void,
): Record<string, (...values: unknown[]) => unknown> {
  if (macros.size === 0) return {};
  return Object.fromEntries(
    Object.entries(macroFunctions(template, variables)).map(([name, call]) => [
      name,
      function (this: unknown, ...values: unknown[]): unknown {
        const macro = macros.get(name)!;
        for (const used of [name, ...macro.calls]) onUse(used, macros.get(used)!.digest);
        try {
          return call.apply(this, values);
        } catch (error) {
          throw inMacro(error, macro, places);
        }
      },
    ]),
  );
}

type MacroFunctions = Readonly<Record<string, (...values: unknown[]) => unknown>>;

function macroFunctions(template: string, variables: Readonly<Record<string, unknown>>): MacroFunctions {
  // Its type package leaves it out. The callback is called before it returns: there is no loader to wait for.
  const parsed = new nunjucks.Template(template, environment, 'macros', true) as unknown as {
    getExported(context: object, frame: null, done: (error: unknown, exported: MacroFunctions) => void): void;
  };
  let functions: MacroFunctions = {};
  parsed.getExported(variables, null, (error, exported) => {
    if (error !== null && error !== undefined) throw error as Error;
    functions = exported;
  });
  return functions;
}

function inMacro(error: unknown, { name, file, line }: Macro, places: MacroSet['places']): unknown {
  if (error instanceof PipelineError) return error.prefixed(`macro ${name} (${file}:${line}): `);
  const { problem } = readTemplateMessage((error as Error).message);
  const { lineno: at } = error as { lineno?: number };
  const place = at === undefined ? { file, line } : (places[at - 1] ?? { file, line });
  return templateError(place.file, problem.replace('attempted to output null', 'a value is null'), place.line);
}

function addMacro(
  nodes: Map<string, { readonly node: TemplateNode; readonly file: string }>,
  node: TemplateNode,
  file: string,
): void {
  const name = String((node['name'] as TemplateNode).value);
  const line = node.lineno + 1;
  if (BUILT_IN.includes(name)) throw templateError(file, `a macro cannot be called \`${name}\``, line);
  const other = nodes.get(name);
  if (other !== undefined)
    throw templateError(file, `macro \`${name}\` is in ${other.file}:${other.node.lineno + 1} already`, line);
  nodes.set(name, { node, file });
}

/** Between macros only white space and SQL comments: anything else would be read by nobody. */
function assertComment(node: TemplateNode, file: string): void {
  const parts = node.typename === 'Output' ? (node['children'] as TemplateNode[]) : [node];
  for (const part of parts) {
    const text = part.typename === 'TemplateData' ? String(part.value) : undefined;
    if (text?.replaceAll(/--[^\n]*/g, '').trim() !== '')
      throw templateError(file, 'a macro file has something outside its macros', part.lineno + 1);
  }
}

function describe(
  name: string,
  node: TemplateNode,
  file: string,
  nodes: ReadonlyMap<string, { readonly node: TemplateNode }>,
): Macro {
  const reached = new Set<string>();
  const follow = (from: TemplateNode): void =>
    walk(from, ({ typename, value }) => {
      const called = String(value);
      if (typename !== 'Symbol' || called === name || reached.has(called) || !nodes.has(called)) return;
      reached.add(called);
      follow(nodes.get(called)!.node);
    });
  follow(node);
  const digest = createHash('sha256')
    .update(JSON.stringify(shapeOf(node)))
    .digest('hex');
  return { name, file, line: node.lineno + 1, digest, calls: [...reached].sort() };
}

/** A node without its place in the file. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (isNode(value)) return [value.typename, ...fieldsOf(value).map((field) => shapeOf(value[field]))];
  return value === undefined ? null : value;
}
