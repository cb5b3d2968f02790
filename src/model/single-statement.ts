import { TerminalError } from '../errors.js';

/**
 * Checks that a file holds one SELECT (or WITH, VALUES, TABLE) and takes its closing semicolon away, positions kept.
 * Throws `ELT_SQL_NOT_A_SELECT` with the user's file and line; `lines` gives the user's line for each line of `sql`.
 */
export function singleStatement(sql: string, file: string, lines: readonly number[]): string {
  const code = blankOut(sql);
  const fail = (offset: number, problem: string): TerminalError => {
    const line = sql.slice(0, offset).split('\n').length;
    return new TerminalError('ELT_SQL_NOT_A_SELECT', `Reading ${file} failed: ${problem}.`, {
      at: { file, line: lines[line - 1] ?? line },
      next: 'Write one SELECT; the table around it is made for you.',
    });
  };
  const first = code.search(/[^\s;(]/);
  if (first < 0) throw fail(0, 'expected one SELECT, got no statement');
  const word = /^\w+/.exec(code.slice(first))?.[0] ?? code[first]!;
  if (!/^(select|with|values|table)$/i.test(word)) throw fail(first, `expected SELECT, got ${word.toUpperCase()}`);
  const end = code.indexOf(';', first);
  if (end < 0) return sql;
  const second = code.slice(end).search(/[^\s;]/);
  if (second >= 0) throw fail(end + second, 'expected one statement, got a second one after the semicolon');
  return sql.slice(0, end) + code.slice(end).replaceAll(';', ' ');
}

/** Comments, strings and quoted identifiers become spaces of the same length. */
function blankOut(sql: string): string {
  const quoted =
    /--[^\n]*|\/\*|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'?|'(?:[^']|'')*'?|"(?:[^"]|"")*"?|(?<![\w$])\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/g;
  let code = '';
  let at = 0;
  for (let match = quoted.exec(sql); match !== null; match = quoted.exec(sql)) {
    let end = quoted.lastIndex;
    if (match[0] === '/*') end = endOfComment(sql, match.index);
    if (match[0].startsWith('$')) {
      const close = sql.indexOf(match[0], end);
      end = close < 0 ? sql.length : close + match[0].length;
    }
    code += sql.slice(at, match.index) + sql.slice(match.index, end).replace(/[^\n]/g, ' ');
    at = end;
    quoted.lastIndex = end;
  }
  return code + sql.slice(at);
}

/** Block comments nest in PostgreSQL. */
function endOfComment(sql: string, start: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start;
  let depth = 0;
  for (let match = edge.exec(sql); match !== null; match = edge.exec(sql)) {
    depth += match[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return sql.length;
}
