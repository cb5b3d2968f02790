import { z } from 'zod';

/** Stages in the order a run goes through them. */
export const STAGES = ['elt', 'features', 'training', 'deployment'] as const;
export type Stage = (typeof STAGES)[number];

/** A half-open range of time: see `DataInterval`. */
export const dataInterval = z.object({ start: z.string(), end: z.string(), timezone: z.string() });

/** Where a run's code is and under what name it works; every activity gets it. No secrets: they are resolved by the worker. */
export const runRef = z.object({
  runId: z.string().min(1),
  env: z.string().min(1),
  project: z.string().min(1),
  /** Digest and archive of the code bundle. */
  bundle: z.object({ digest: z.string(), artifact: z.string() }),
  /** Folder that relative source paths start from, on the machine that started the run. */
  root: z.string(),
  /** Search attributes the namespace has: an unknown one would wedge the workflow task. */
  searchAttributes: z.array(z.string()),
  /** Redo every step, and load every object as a new generation. */
  force: z.boolean(),
  /** The elt stage builds without loading, or loads without building; absent: both. */
  only: z.enum(['load', 'transform']).optional(),
  /** Transforms to build, as `--select` takes them, or with `only: load` sources to load; absent: all. */
  select: z.array(z.string()).readonly().optional(),
  /** Left out of them, in the same words. */
  exclude: z.array(z.string()).readonly().optional(),
  /** Publishes tables that are far from their own history. */
  acceptAnomaly: z.boolean().optional(),
  /** Instead of loading, the elt stage gives these quarantined rows another chance. */
  rejects: z
    .object({
      loadId: z.string(),
      resource: z.string(),
      /** Corrected rows in the artifact store; absent: the rows as they were kept. */
      file: z.object({ name: z.string(), sha256: z.string() }).optional(),
    })
    .optional(),
  /** What the run is about, whatever the time at which it runs; absent: everything, or what is new. */
  interval: dataInterval.optional(),
  /** Refused when the interval is done already. */
  once: z.literal(true).optional(),
  /** Resources that are not asked by interval stay as the last run left them; one that was never loaded is. */
  keepLoaded: z.literal(true).optional(),
});
export type RunRef = z.infer<typeof runRef>;

/** What a run is about. */
export type RunInterval = NonNullable<RunRef['interval']>;

export const openRunInput = z.object({
  run: runRef,
  workflowId: z.string(),
  stages: z.array(z.enum(STAGES)),
  startedBy: z.string(),
  retryOf: z.string().optional(),
});
export type OpenRunInput = z.infer<typeof openRunInput>;

/** What the workflows must know of the project: names and order, nothing else. */
export interface RunPlan {
  readonly resources: readonly string[];
  /** Resource → those that have to be loaded before it, which `resources` lists before it; absent when none waits. */
  readonly resourcesAfter?: Readonly<Record<string, readonly string[]>>;
  /** Transforms with what each waits for; empty `after` starts at once. */
  readonly transforms: readonly { readonly name: string; readonly after: readonly string[] }[];
  /**
   * Transform → the resources that it reads of those the run loads: it is not built when one of them failed. Absent in the plan of an older
   * worker, whose run ends with its first failure.
   */
  readonly transformReads?: Readonly<Record<string, readonly string[]>>;
  readonly train?: {
    /** `main` first, then the variants. */
    readonly sets: readonly string[];
    readonly trainer: string;
    /** Simpler trainer shown beside the chosen one. */
    readonly comparison?: string;
  };
  readonly deploy: { readonly model: string; readonly approval: 'none' | 'manual'; readonly approvalTimeoutMs: number };
}

export const closeRunInput = z.object({
  run: runRef,
  status: z.enum(['succeeded', 'failed', 'cancelled']),
  error: z.custom<StepError>().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
});
export type CloseRunInput = z.infer<typeof closeRunInput>;

/** An error as the CLI shows it; travels in failure details and in `plumbline.runs`. */
export interface StepError {
  readonly step?: string;
  readonly code: string;
  readonly message: string;
  /** The same code and data give it again. */
  readonly terminal?: boolean;
  readonly at?: { readonly file: string; readonly line?: number; readonly column?: number };
  readonly next?: string;
  readonly stack?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** Steps that were not run for it → the failed step that each would have read. */
  readonly skipped?: Readonly<Record<string, string>>;
}

export interface PlanLine {
  readonly step: string;
  /** `skip`: the run does not come to it; `fail`: it would stop the run. */
  readonly action: 'run' | 'reuse' | 'skip' | 'fail';
  readonly reason: string;
}

export interface PlanResult {
  readonly lines: readonly PlanLine[];
  readonly defaults: readonly string[];
  readonly assumptions: readonly string[];
  /** Sources that are older than they should be; absent in the answer of an older worker. */
  readonly warnings?: readonly string[];
  /** What the newest load of a resource changed of its table's columns. */
  readonly schemaChanges?: readonly string[];
}
