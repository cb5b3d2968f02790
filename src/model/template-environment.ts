import nunjucks from 'nunjucks';

/** Which every look-up in a template goes through: `{{ a.b }}` and `{{ a[b] }}`. Its type package leaves it out. */
const { runtime } = nunjucks as unknown as {
  readonly runtime: { memberLookup: (of: unknown, name: unknown) => unknown };
};

const lookUp = runtime.memberLookup;
runtime.memberLookup = (of, name) => {
  // As text once, so that what is looked up is what was looked at.
  const key = String(name);
  // By these every value leads to the constructor of functions, and so to code that may do what the worker may.
  if (/^(constructor|prototype|__.*__)$/.test(key)) throw new Error(`a template cannot look up \`${key}\``);
  return lookUp(of, key);
};

// Not cached by name: two files may share one. No loader: a template cannot read files.
export const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });
