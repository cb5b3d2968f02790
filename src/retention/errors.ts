/** Codes of garbage collection; documented in docs/reference/errors.md. */
export const retentionErrorCodes = {
  GC_STORE_SHARED:
    'Another database keeps objects in the same artifact store, and only it knows which. Give each database a store of its own.',
} as const;
