import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { eraseLines } from '../../src/cli/colors.js';
import { cut, displayWidth, oneLine } from '../../src/cli/display-width.js';
import { table } from '../../src/cli/format.js';
import { guardOutput } from '../../src/cli/guard-output.js';
import { renderColumn, renderLineage, renderMermaid } from '../../src/cli/render-lineage.js';
import { renderTrace } from '../../src/cli/trace-command.js';

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** What a terminal acts on, or shows otherwise than it is. */
const STEERS = ['\u001b[31mred\u001b[0m', '\u001b]0;title\u0007', '\u009b31m', 'over\rwritten', 'back\b', '\u007f', '\u2028', '\u202etxt.exe', '\u2066', '\u200b', '\ufeff', '\u00ad', 'half \ud83d', 'tag \u{e0041}', 'two\nlines', '\ttab']; // prettier-ignore
// Written with other classes than the code uses.
const RAW =
  /\u034f|[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\u{e0000}-\u{e007f}]/u; // eslint-disable-line no-control-regex -- these are what is looked for

let texts: readonly string[];
beforeAll(async () => {
  const file = new URL('../fixtures/elt/naughty-strings.json', import.meta.url);
  texts = [...STEERS, ...(JSON.parse(await readFile(file, 'utf8')) as string[])];
});

/** What comes out of a guarded stream. */
function guarded(...chunks: (string | Buffer)[]): string {
  const written: (string | Buffer)[] = [];
  const stream = { write: (chunk: string | Buffer) => written.push(chunk) > 0 } as unknown as NodeJS.WriteStream;
  guardOutput(stream);
  for (const chunk of chunks) stream.write(chunk);
  return written.join('');
}

it('no text of anybody steers the terminal; our own colours, line feeds and tabs do', () => {
  for (const text of texts) {
    const printed = guarded(text);
    expect(printed.replaceAll(/[\n\t]/g, '')).not.toMatch(RAW);
    // A text without such characters is printed as it is, with its marks, emoji and joiners.
    if (!RAW.test(text)) expect(printed).toBe(text);
  }
  expect(guarded(`${eraseLines(2)}\u001b[2J`)).toBe('\u001b[2A\u001b[J\\u001b[2J');
  // Bytes are a file's, exactly.
  expect(guarded(Buffer.from('a\rb'))).toBe('a\rb');
});

it('JSON stays the same JSON', () => {
  const value = Object.fromEntries(texts.map((text) => [text, [text]]));
  for (const indent of [undefined, 2]) {
    const printed = guarded(JSON.stringify(value, null, indent));
    expect(JSON.parse(printed)).toEqual(value);
    expect(printed.replaceAll('\n', '')).not.toMatch(RAW);
  }
});

it('a table has one line a row, and its columns one below the other', () => {
  const values = [...texts, '日本語', 'ｆｕｌｌ', '한국', '👩‍👩‍👧 family', 'e\u0301 é', '🇩🇪', '☺️', 'x'.repeat(100_000)];
  const lines = table(values.map((value) => [oneLine(value, 40), '|end'])).split('\n');
  expect(lines).toHaveLength(values.length);
  expect(new Set(lines.map((line) => displayWidth(line.slice(0, line.indexOf('|end')))))).toEqual(new Set([42]));
  // Names are not cut: what would break the line is written out.
  expect(table([['two\nlines', 'b'], ['a', 'c\r']])).toBe('two\\nlines  b\na           c\\r'); // prettier-ignore
  expect(['日本', 'e\u0301', '👩‍👩‍👧', 'é', '☺️'].map(displayWidth)).toEqual([4, 1, 2, 1, 2]);
  expect([cut('日本語', 6), cut('日本語', 5), cut('a😀b', 3), cut('abc', 3), cut('abcd', 3)]).toEqual(['日本語', '日本…', 'a…', 'abc', 'ab…']); // prettier-ignore
});

it('names in a lineage and a trace are no line, HTML or Markdown of their own', () => {
  const name = '<b onclick="x">`y`&#34;\n  n9 --> n0\u001b[31m';
  const nodes = [
    { id: 'source a', kind: 'source' as const, name: 'a', from: [], columns: [{ name, from: [] }] },
    { id: 'transform b', kind: 'transform' as const, name: 'b', from: ['source a'], columns: [{ name, from: [{ node: 'source a', column: name }] }] }, // prettier-ignore
    { id: 'object c', kind: 'object' as const, name, from: [] },
  ];
  const label = '#60;b onclick=#34;x#34;#62;#96;y#96;#38;#35;34;#92;n  n9 --#62; n0#92;u001b[31m';
  const lines = renderMermaid({ nodes }).split('\n');
  expect(lines.filter((line) => line.includes(label))).toEqual([`    n0_0["${label}"]`, `    n1_0["${label}"]`, `  n2[/"${label}"/]`]); // prettier-ignore
  expect(lines.filter((line) => line.includes('-->'))).toEqual(['  n0_0 --> n1_0']);
  const shown = '<b onclick="x">`y`&#34;\\n  n9 --> n0\\u001b[31m';
  expect(renderColumn({ nodes }, { node: 'source a', column: name })).toBe(`source a.${shown}\nused for transform b.${shown}\n`); // prettier-ignore
  expect(renderLineage({ nodes: nodes.slice(0, 2) }).split('\n')).toHaveLength(5);
  expect(renderTrace({ kind: 'raw object', name, facts: {}, from: [] }).split('\n')).toHaveLength(2);
});

it('the command itself is guarded', async () => {
  const run = promisify(execFile)(process.execPath, [CLI, '\u001b[31mno\u009b1m'], { encoding: 'utf8' });
  await expect(run).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("unknown command '\\u001b[31mno\\u009b1m'") as string,
  });
});
