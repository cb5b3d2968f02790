/**
 * Reads what PostgreSQL keeps of an analysed query: the text of a `pg_node_tree`, such as `pg_rewrite.ev_action`. In it
 * every name is resolved and every `*` expanded. The form, of PostgreSQL 14 to 18: `{TYPE :field value …}`, `(a b …)`,
 * `<>` for nothing, and words.
 */
export type TreeValue = TreeNode | readonly TreeValue[] | string | undefined;

export interface TreeNode {
  readonly type: string;
  readonly fields: ReadonlyMap<string, TreeValue>;
}

/** Throws SyntaxError when the text is not of that form. */
export function parseNodeTree(text: string): TreeValue {
  const tokens = [...text.matchAll(/[(){}]|"(?:\\.|[^"\\])*"|(?:\\[^]|[^\s(){}\\])+/g)].map(([token]) => token);
  let at = 0;
  const value = (): TreeValue => {
    const token = tokens[at++];
    if (token === '(') return list();
    if (token === '{') return node();
    if (token === undefined || token === ')' || token === '}')
      throw new SyntaxError(`Reading a node tree failed: expected a value, got ${token ?? 'its end'}.`);
    return token === '<>' ? undefined : token.replaceAll(/\\([^])/g, '$1');
  };
  const list = (): TreeValue[] => {
    const items: TreeValue[] = [];
    while (tokens[at] !== ')') items.push(value());
    at++;
    return items;
  };
  const node = (): TreeNode => {
    const type = tokens[at++] ?? '';
    const fields = new Map<string, TreeValue>();
    while (tokens[at] !== '}') {
      const name = (tokens[at++] ?? ':').slice(1);
      const values: TreeValue[] = [];
      // A constant is several words: its length and its bytes.
      while (tokens[at] !== '}' && tokens[at]?.startsWith(':') !== true) values.push(value());
      fields.set(name, values.length > 1 ? values : values[0]);
    }
    at++;
    return { type, fields };
  };
  return value();
}

export function isTreeNode(value: TreeValue): value is TreeNode {
  return typeof value === 'object' && 'fields' in value;
}

/** The items of a list; none when it is not there. */
export function itemsOf(value: TreeValue): readonly TreeValue[] {
  return Array.isArray(value) ? (value as readonly TreeValue[]) : [];
}
