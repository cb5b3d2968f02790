import { expect, test } from 'vitest';
import { askTogether } from '../../src/storage/ask-together.js';

test('keys that come while an answer is on its way are asked together, each after its question', async () => {
  const asked: (readonly string[])[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const ask = askTogether<string>(async (keys) => {
    asked.push(keys);
    await new Promise<void>((resolve, reject) =>
      ends.push((error) => (error === undefined ? resolve() : reject(error))),
    );
    return new Map(keys.filter((key) => key !== 'none').map((key) => [key, `of ${key}`]));
  });
  const first = ask('a');
  // The answer that is on its way may be older than this question.
  const rest = [ask('a'), ask('b'), ask('none')];
  expect(asked).toEqual([['a']]);
  ends[0]!();
  expect(await first).toBe('of a');
  await expect.poll(() => asked).toEqual([['a'], ['a', 'b', 'none']]);
  const last = ask('c');
  ends[1]!(new Error('gone'));
  for (const one of rest) await expect(one).rejects.toThrow('gone');
  await expect.poll(() => asked.length).toBe(3);
  ends[2]!();
  expect(await last).toBe('of c');
  const alone = ask('none');
  expect(asked[3]).toEqual(['none']);
  ends[3]!();
  expect(await alone).toBeUndefined();
});
