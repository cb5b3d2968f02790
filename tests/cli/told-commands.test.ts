import { Command } from 'commander';
import { afterEach, beforeAll, expect, it } from 'vitest';
import * as commands from '../../src/cli/commands/index.js';
import { knowCommands, tellFor, told } from '../../src/cli/told-commands.js';

beforeAll(() => {
  const program = new Command();
  for (const register of Object.values(commands)) register(program);
  knowCommands(program);
});
afterEach(() => tellFor(undefined));

it.each([
  ['approve with `plumbline models approve shop 2`', 'approve with `plumbline models approve shop 2 --env prod`'],
  ['`plumbline run` or `plumbline run load`', '`plumbline run --env prod` or `plumbline run load --env prod`'],
  ['`plumbline rejects list --load 5 --csv > a.csv`', '`plumbline rejects list --load 5 --csv --env prod > a.csv`'],
  // A run is found by its id in every environment; a stack has none.
  ['`plumbline runs watch 0a1b`, `plumbline up`', '`plumbline runs watch 0a1b`, `plumbline up`'],
  ['`plumbline run --env test`', '`plumbline run --env test`'],
  ['plumbline run', 'plumbline run'],
])('%s', (text, expected) => {
  expect(told(text)).toBe(text);
  tellFor('dev');
  expect(told(text)).toBe(text);
  tellFor('prod');
  expect(told(text)).toBe(expected);
});
