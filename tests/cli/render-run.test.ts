import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { renderSteps } from '../../src/cli/render-run.js';
import type { StepRow } from '../../src/storage/run-steps.js';

const features = (result: object): StepRow => ({
  step: 'features:main',
  stage: 'features',
  position: 1,
  status: 'succeeded',
  reason: 'first time',
  attempt: 1,
  progress: null,
  result: { set: 'main', trainingSet: { trainRows: 1215, testRows: 242, features: [{}, {}] }, ...result },
  error: null,
  started_at: '2026-11-23 05:30:00+00',
  ended_at: '2026-11-23 05:30:00.4+00',
});
const lines = (row: StepRow) => stripVTControlCharacters(renderSteps([row])[0]!.line).split('\n');

it('shows under a training set what of the leak check could not be computed', () => {
  const notChecked = ['single columns: too few rows of one class to learn from earlier and score later ones'];
  expect(lines(features({ leakCheck: 'leak check passed in part', notChecked }))).toEqual([
    '  features   main                1,215 + 242 rows × 2   leak check passed in part    0.4 s',
    `  ! main: not checked for leaks: ${notChecked[0]}`,
  ]);
});

it('shows the outcome of an older version, which says nothing about it', () => {
  expect(lines(features({ leakCheck: 'leak check passed' }))).toEqual([
    '  features   main                1,215 + 242 rows × 2   leak check passed        0.4 s',
  ]);
});

it('tells a step that failed from one that was stopped with the run, and the message of each but the first', () => {
  const extract = (name: string, endedAt: string, message?: string): StepRow => ({
    ...features({}),
    step: `extract:${name}`,
    status: 'failed',
    error: message === undefined ? null : { message },
    ended_at: endedAt,
  });
  const steps = [
    extract('weather', '2026-11-23 05:30:03+00', 'Reading weather failed: no answer.'),
    extract('sales', '2026-11-23 05:30:02+00', 'Reading sales failed: no file.'),
    extract('github.issues', '2026-11-23 05:30:03+00'),
  ];
  expect(renderSteps(steps).map(({ line }) => stripVTControlCharacters(line))).toEqual([
    `  extract    weather             failed${' '.repeat(42)}3.0 s\n  ! weather: Reading weather failed: no answer.`,
    `  extract    sales               failed${' '.repeat(42)}2.0 s`,
    `  extract    github.issues       stopped${' '.repeat(41)}3.0 s`,
  ]);
});
