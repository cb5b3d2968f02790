import type { TransactionSettings } from './database.js';

/** For a transaction that locks what others wait for: a client that freezes in it is ended, and keeps nothing locked. */
export const ENDS_WHEN_FROZEN = { idleTimeoutMs: 10_000 } as const satisfies TransactionSettings;

/** The same where readers queue behind a lock that itself waits: it does not wait long. */
export const BRIEFLY_LOCKED = { ...ENDS_WHEN_FROZEN, lockTimeoutMs: 5_000 } as const satisfies TransactionSettings;
