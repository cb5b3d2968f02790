/**
 * Connections to PostgreSQL that a process holds at most; none opens before it is needed. A `postgres` source has
 * connections of its own, on its own server: `parallel` (4 where it is not given) + 1 for each resource that is read.
 */
export const CONNECTIONS = {
  /** Eight steps at once, each with the session of its writer; 12 for pieces that further connections to sources read; the rest for what takes no time: leases, progress, a page's line, cancelling. */
  worker: 24,
  serve: 3,
  command: 4,
  supervisor: 1,
} as const;
