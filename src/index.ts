/** plumbline as a library: what the command line is made of. */
export { connectDatabase, connectTemporal, requireWorker, type TemporalConnection } from './client/connect.js';
export { notifyDecision } from './client/notify-decision.js';
export { recordBundle, startRun, type RunRequest, type StartedRun } from './client/start-run.js';
export { trace, type TraceNode, type TraceScope } from './client/trace.js';
export { loadSettings, Secret, type Settings } from './config.js';
export type { RunPlan, RunRef, Stage, StepError } from './contracts/run.js';
export { PipelineError, TerminalError, TransientError } from './errors.js';
export {
  defineSource,
  Retry,
  type CellValue,
  type Source,
  type SourceContext,
  type SourceResource,
  type SourceRow,
} from './model/define-source.js';
export type { ParsedRow, Parser, RawObject } from './model/parser.js';
export type { Json, JsonObject, Project } from './model/project.js';
export { loadProject } from './project/load-project.js';
export { packBundle, type Bundle } from './project/pack-bundle.js';
