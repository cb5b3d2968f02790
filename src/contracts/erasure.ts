import { z } from 'zod';
import { runRef } from './run.js';

/** One key that is forgotten. The value is in PostgreSQL under the erasure's id, until it is done: histories are kept for long. */
export const erasureInput = runRef
  .pick({ env: true, project: true, bundle: true, root: true, searchAttributes: true })
  .extend({ erasureId: z.string(), key: z.string() });
export type ErasureInput = z.infer<typeof erasureInput>;

export interface ErasureResult {
  readonly erasureId: string;
  readonly key: string;
  readonly dryRun: boolean;
  readonly erased: readonly {
    readonly kind: string;
    readonly place: string;
    readonly rows: number;
    readonly outcome: string;
  }[];
  /** What holds, or may hold, the person's rows and was not touched, one sentence each. */
  readonly left: readonly string[];
}
