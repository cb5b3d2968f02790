import nunjucks from 'nunjucks';

/** Parts that its type package leaves out. */
const { runtime, compiler } = nunjucks as unknown as {
  /** Which every look-up in a template goes through: `{{ a.b }}` and `{{ a[b] }}`. */
  readonly runtime: { memberLookup: (of: unknown, name: unknown) => unknown };
  readonly compiler: {
    readonly Compiler: { readonly prototype: { _getNodeName: (this: object, node: object) => string } };
  };
};

const lookUp = runtime.memberLookup;
runtime.memberLookup = (of, name) => {
  // As text once, so that what is looked up is what was looked at.
  const key = String(name);
  // By these every value leads to the constructor of functions, and so to code that may do what the worker may.
  if (/^(constructor|prototype|__.*__)$/.test(key)) throw new Error(`a template cannot look up \`${key}\``);
  return lookUp(of, key);
};

// What is called is written as a text into the code that nunjucks makes, for a message. It escapes `"` alone: `\\` would end that text.
const { prototype } = compiler.Compiler;
const nameOf: (this: object, node: object) => string = prototype._getNodeName;
prototype._getNodeName = function (node) {
  return nameOf.call(this, node).replaceAll(/[\\\n\r]/g, '?');
};

// Not cached by name: two files may share one. No loader: a template cannot read files.
export const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });

// Filters and tests are found by name, tests by a name that a template makes up too (`select`): none but its own.
const { filters, tests } = environment as unknown as { readonly filters: object; readonly tests: object };
for (const table of [filters, tests]) Object.setPrototypeOf(table, null);

// As in Jinja's sandbox: a slip such as `range(1000000000)` would take the memory of a worker, and of each that tries again.
const MOST_NUMBERS = 100_000;
const range = environment.getGlobal('range') as (...values: unknown[]) => unknown;
environment.addGlobal('range', (start: unknown, stop?: unknown, step?: unknown) => {
  const [from, until] = (stop === undefined ? [0, start] : [start, stop]).map(Number) as [number, number];
  const every = stop === undefined ? 1 : Number(step ?? 1) || 1;
  if (Math.abs((until - from) / every) > MOST_NUMBERS)
    throw new Error(`a template cannot have a range of more than ${MOST_NUMBERS.toLocaleString('en')} numbers`);
  return range(start, stop, step);
});
