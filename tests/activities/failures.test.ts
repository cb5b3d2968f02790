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
