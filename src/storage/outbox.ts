/**
 * What tables of events to send have in common, in SQL: whoever takes one has it for a minute, so that one who dies leaves it to the next. The
 * pauses between attempts double from 10 s to an hour; after 3 days an event is given up, and stays in the table.
 */
export const outbox = {
  isDue: `next_try_at <= clock_timestamp() AND created_at > clock_timestamp() - interval '3 days'`,
  take: `attempts = attempts + 1, next_try_at = clock_timestamp() + interval '1 minute'`,
  later: `next_try_at = clock_timestamp() + least(interval '1 hour', interval '10 seconds' * 2 ^ least(attempts - 1, 10))`,
} as const;
