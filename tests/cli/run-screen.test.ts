import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { createRunScreen } from '../../src/cli/run-screen.js';
import type { StepRow } from '../../src/storage/run-steps.js';

const planned: StepRow = {
  step: 'load:shop.orders',
  stage: 'elt',
  position: 1,
  status: 'running',
  reason: 'first time',
  attempt: 1,
  progress: null,
  result: null,
  error: null,
  started_at: '2026-11-23 05:30:00+00',
  ended_at: null,
};
const failed = (attempt: number, terminal: boolean): StepRow => ({
  ...planned,
  status: 'failed',
  attempt,
  error: { message: 'the server\nanswered 500.', terminal },
  ended_at: '2026-11-23 05:30:01+00',
});
const loaded: StepRow = {
  ...planned,
  status: 'succeeded',
  attempt: 5,
  result: { resource: 'shop.orders', tableRows: 7, rowsLoaded: 7, rowsRejected: 2, objects: [], notices: [] }, // prettier-ignore
  ended_at: '2026-11-23 05:30:09+00',
};

function written(isTTY: boolean) {
  const texts: string[] = [];
  const write = (text: string): void => void texts.push(text);
  return { screen: createRunScreen({ isTTY, columns: 60, write }), shown: () => stripVTControlCharacters(texts.splice(0).join('')) }; // prettier-ignore
}

it('says of a step whose fault may pass that it is tried again, ever more rarely, and how it ended after all', () => {
  const { screen, shown } = written(false);
  for (const attempt of [1, 1, 2, 3, 4]) {
    screen.draw([{ ...planned, attempt }], false);
    screen.draw([failed(attempt, false)], false);
  }
  const again = [1, 2, 4].map(
    (attempt) => `  load       shop.orders         attempt ${attempt} failed, trying again: the server answered 500.\n`,
  );
  expect(shown()).toBe(again.join(''));
  screen.draw([loaded], false);
  screen.draw([loaded], true);
  expect(shown()).toMatch(
    /^ {2}load {7}shop\.orders .*7 rows {3}2 rejected .*\n.*see the rejected rows with `plumbline rejects list --resource shop\.orders`\n$/,
  );
});

it('says failed when no attempt follows, and keeps a live line of a terminal to one line', () => {
  const ended = written(false);
  ended.screen.draw([failed(1, true)], false);
  expect(ended.shown()).toMatch(/shop\.orders +failed/);
  // Nobody has classified the error: four attempts, of which any may end well.
  ended.screen.draw([loaded], false);
  expect(ended.shown()).toMatch(/shop\.orders +7 rows/);
  const givenUp = written(false);
  givenUp.screen.draw([failed(4, false)], true);
  expect(givenUp.shown()).toMatch(/shop\.orders +failed/);
  const terminal = written(true);
  terminal.screen.draw([failed(1, false)], false);
  expect(terminal.shown()).toHaveLength(60);
});
