import { expect, test } from 'vitest';
import { checkRows } from '../../../src/elt/postgres/check-rows.js';
import type { RowFault } from '../../../src/elt/read/row-fault.js';
import type { ColumnType } from '../../../src/model/project.js';

const columns = (...types: ColumnType[]) =>
  types.map((type, index) => ({ name: `c${index}`, header: `c${index}`, type }));

test('lets through what fits, with its number, wherever the blocks are cut', () => {
  const stream = Buffer.from(
    '7\ta\\tb\\\\c\\n\t{"é": "\\\\n"}\t\\N\nx\tb\t\\N\t\\N\n\\N\t\\N\t{\t\\N\n9223372036854775807\t\t1\t\\N\neight\tü\tnull\tnew\n',
  );
  for (const size of [1, 2, 3, 7, 13, stream.length]) {
    const faults: RowFault[] = [];
    const check = { columns: new Map<string, ColumnType>([['c0', 'text'], ['c2', 'text']]), misfits: 'discard_row', foreign: ['tip'] } as const; // prettier-ignore
    const checker = checkRows(2, columns('bigint', 'text', 'jsonb'), check, (fault) => faults.push(fault));
    const blocks: Buffer[] = [];
    // The connection writes into its block again.
    for (let at = 0; at < stream.length; at += size) {
      const block = Buffer.from(stream.subarray(at, at + size));
      blocks.push(Buffer.from(checker.take(block)));
      block.fill(0);
    }
    expect([size, Buffer.concat(blocks).toString()]).toEqual([
      size,
      '8589934593\t7\ta\\tb\\\\c\\n\t{"é": "\\\\n"}\n8589934596\t9223372036854775807\t\t1\n',
    ]);
    expect(faults).toEqual([
      { row: 8589934594, line: null, column: 'c0', value: 'x', reason: 'expected a whole number of at most 64 bits (bigint); it is text in the source', raw: '["x","b",null]' },
      { row: 8589934595, line: null, column: 'c2', value: '{', reason: 'expected JSON (jsonb); it is text in the source', raw: '[null,null,"{"]' },
      { row: 8589934597, line: null, column: 'tip', value: 'new', reason: 'the table does not have this column, and its contract takes no new ones', raw: '["eight","ü","null","new"]' },
    ]); // prettier-ignore
    expect(checker.isWhole()).toBe(true);
  }
});

test('leaves out values that do not fit, and says how many', () => {
  const check = { columns: new Map<string, ColumnType>([['c0', 'numeric'], ['c1', 'bigint'], ['c2', 'text']]), misfits: 'discard_value', foreign: [] } as const; // prettier-ignore
  const checker = checkRows(0, columns('numeric(5,2)', 'double precision', 'date'), check, () => {
    throw new Error('no row is refused');
  });
  const rows =
    '1.250\t9007199254740993\t2024-02-30\n-12.50\t-100\t2024-02-29\n1000.00\t\\N\tinfinity\nNaN\t90071992547409930\t\\N\n';
  expect(checker.take(Buffer.from(rows)).toString()).toBe(
    '1\t1.250\t\\N\t\\N\n2\t-12.50\t-100\t2024-02-29\n3\t\\N\t\\N\tinfinity\n4\tNaN\t\\N\t\\N\n',
  );
  expect(checker.discarded()).toEqual({ c0: 1, c1: 2, c2: 1 });
});

test.each([
  ['0.1', true],
  ['1e-7', true],
  ['0.00000010', true],
  ['-0.00', true],
  ['1000000000000000000000000', true],
  ['12345678901234567890', false],
  ['0.1234567890123456789', false],
  ['1e400', false],
  ['NaN', true],
  ['-Infinity', true],
])('of %s a double is exact: %s', (value, isExact) => {
  const check = { columns: new Map<string, ColumnType>([['c0', 'numeric']]), misfits: 'discard_value', foreign: [] } as const; // prettier-ignore
  const checker = checkRows(0, columns('double precision'), check, () => {});
  expect(checker.take(Buffer.from(`${value}\n`)).toString()).toBe(`1\t${isExact ? value : '\\N'}\n`);
});

test('an unfinished row is no row', () => {
  const check = { columns: new Map<string, ColumnType>(), misfits: 'discard_row', foreign: [] } as const;
  const checker = checkRows(0, columns('text'), check, () => {});
  expect(checker.take(Buffer.from('a\nb')).toString()).toBe('1\ta\n');
  expect(checker.isWhole()).toBe(false);
});
