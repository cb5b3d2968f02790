import type { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { toFailure } from '../../src/activities/failures.js';
import { TerminalError, TransientError } from '../../src/errors.js';

test('what a server asks to wait goes before the back-off; nothing else sets it', () => {
  const busy = new TransientError('ELT_HTTP_STATUS_TRANSIENT', 'busy', { details: { retryAfterMs: 7_000 } });
  const failure = toFailure(busy, 'extract:rides', 1) as ApplicationFailure;
  expect([failure.nonRetryable, failure.nextRetryDelay]).toEqual([false, 7_000]);
  const plain = toFailure(new TransientError('X', 'x'), 'extract:rides', 1) as ApplicationFailure;
  expect(plain.nextRetryDelay).toBeUndefined();
  const terminal = new TerminalError('X', 'x', { details: { retryAfterMs: 1 } });
  expect((toFailure(terminal, 'extract:rides', 1) as ApplicationFailure).nextRetryDelay).toBeUndefined();
});

test('an error that nobody classified tells no parameter of an address either', () => {
  const { message, details, cause } = toFailure(new Error('no https://a/b?key=s3cret'), 'load:a#https://a/b?key=s3cret', 1) as ApplicationFailure; // prettier-ignore
  expect(message).toBe('no https://a/b?…');
  expect(details).toMatchObject([{ step: 'load:a#https://a/b?…', stack: expect.stringContaining('at ') as string }]);
  expect(JSON.stringify([details, cause?.message, cause?.stack])).not.toContain('s3cret');
});
