import type { Untold, UntoldRun } from '../storage/lineage-events.js';
import { datasetName, jobName, strangerName, type Places } from './dataset-name.js';
import { eventRunId, facet, RUN_EVENT_SCHEMA, type Dataset, type Facets, type RunEvent } from './event.js';
import { isQuery, type KnownNode } from './known-node.js';

export interface EventContext {
  readonly places: Places;
  /** Names the program that makes the events, as a URI. */
  readonly producer: string;
  readonly version: string;
  /** The project's code; empty where it cannot be read. */
  readonly nodes: readonly KnownNode[];
}

/** One event for each thing that is not told yet, in the order in which they happened. */
export function runEvents(
  run: UntoldRun,
  context: EventContext,
): { readonly step: string; readonly phase: Untold['phase']; readonly event: RunEvent }[] {
  return run.untold.map((one) => ({ step: one.step, phase: one.phase, event: eventOf(run, one, context) }));
}

function eventOf(run: UntoldRun, one: Untold, context: EventContext): RunEvent {
  const { producer, places, nodes } = context;
  const made = one.step === '' ? undefined : nodes.find(({ step }) => step === one.step);
  return {
    eventType: eventType(run, one),
    eventTime: one.at,
    producer,
    schemaURL: RUN_EVENT_SCHEMA,
    run: { runId: eventRunId(run.runId, one.step), facets: runFacets(run, one, context) },
    job: { namespace: places.namespace, name: jobName(places, one.step), facets: jobFacets(one, made, producer) },
    inputs: made === undefined ? [] : inputsOf(made, context),
    outputs: made === undefined ? [] : [outputOf(made, one, context)],
  };
}

function eventType(run: UntoldRun, { step, phase, status, error }: Untold): RunEvent['eventType'] {
  if (phase === 'start') return 'START';
  if (status === 'succeeded' || status === 'reused') return 'COMPLETE';
  // Another run has done its interval: that there was nothing to do is no failure.
  if (error?.code === 'RUN_INTERVAL_DONE') return 'ABORT';
  // Of a run that was cancelled, what was at work did not fail by itself.
  return status === 'cancelled' || (step !== '' && run.status === 'cancelled') ? 'ABORT' : 'FAIL';
}

function runFacets(
  run: UntoldRun,
  { step, phase, error }: Untold,
  { producer, version, places }: EventContext,
): Facets {
  const { interval } = run.options as { interval?: { start: string; end: string } };
  const job = { namespace: places.namespace, name: jobName(places) };
  return {
    processing_engine: facet('processing_engine', producer, { name: 'plumbline', version }),
    ...(step === '' ? {} : { parent: facet('parent', producer, { run: { runId: eventRunId(run.runId, '') }, job }) }),
    ...(interval === undefined
      ? {}
      : {
          nominalTime: facet('nominalTime', producer, {
            nominalStartTime: interval.start,
            nominalEndTime: interval.end,
          }),
        }),
    ...(phase === 'start' || error === null
      ? {}
      : {
          errorMessage: facet('errorMessage', producer, {
            message: error.message ?? error.code ?? '',
            programmingLanguage: 'TypeScript',
          }),
        }),
  };
}

function jobFacets({ step }: Untold, made: KnownNode | undefined, producer: string): Facets {
  const jobType = step === '' ? 'RUN' : step.replace(/:.*$/s, '').toUpperCase();
  return {
    jobType: facet('jobType', producer, { processingType: 'BATCH', integration: 'PLUMBLINE', jobType }),
    ...(made?.sql === undefined ? {} : { sql: facet('sql', producer, { query: made.sql, dialect: 'postgresql' }) }),
  };
}

/** What a SELECT that makes no table reads counts as read by whoever reads the SELECT. */
function inputsOf(made: KnownNode, { nodes, places, producer }: EventContext): Dataset[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const found = new Map<string, Dataset>();
  const visit = (id: string): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    if (isQuery(node)) return node.from.forEach(visit);
    const name = datasetName(node, places);
    const schema = schemaFacet(node, producer);
    found.set(`${name.namespace} ${name.name}`, { ...name, ...(schema === undefined ? {} : { facets: { schema } }) });
  };
  made.from.forEach(visit);
  return [...found.values()];
}

function outputOf(made: KnownNode, { phase, result }: Untold, context: EventContext): Dataset {
  const { producer, places } = context;
  const name = datasetName(made, places);
  const schema = schemaFacet(made, producer);
  const columnLineage = columnLineageFacet(made, context);
  const { version } = (result ?? {}) as { version?: string | number };
  const facets = {
    ...(schema === undefined ? {} : { schema }),
    ...(columnLineage === undefined ? {} : { columnLineage }),
    ...(version === undefined ? {} : { version: facet('version', producer, { datasetVersion: String(version) }) }),
  };
  const rowCount = rowsWritten(result);
  if (phase === 'start' || rowCount === undefined) return { ...name, facets };
  return { ...name, facets, outputFacets: { outputStatistics: facet('outputStatistics', producer, { rowCount }) } };
}

/** Rows that the step wrote, as far as its kind counts them. */
function rowsWritten(result: Untold['result']): number | undefined {
  const { rowsLoaded, incrementRows, rows, trainingSet } = (result ?? {}) as {
    rowsLoaded?: number;
    incrementRows?: number;
    rows?: number;
    trainingSet?: { trainRows: number; testRows: number };
  };
  return rowsLoaded ?? incrementRows ?? rows ?? (trainingSet && trainingSet.trainRows + trainingSet.testRows);
}

function schemaFacet({ columns = [] }: KnownNode, producer: string): Facets[string] | undefined {
  if (columns.length === 0) return undefined;
  const fields = columns.map(({ name, type }) => ({ name, ...(type === undefined ? {} : { type }) }));
  return facet('schema', producer, { fields });
}

function columnLineageFacet({ columns = [], rows = [] }: KnownNode, context: EventContext): Facets[string] | undefined {
  const byId = new Map(context.nodes.map((node) => [node.id, node]));
  /** The columns of tables and files behind a column, through SELECTs that make no table. */
  const origins = ({ node: id, column }: { node: string; column: string }): { field: object; key: string }[] => {
    const node = byId.get(id);
    if (node !== undefined && isQuery(node))
      return (node.columns?.find(({ name }) => name === column)?.from ?? []).flatMap(origins);
    const name = node === undefined ? strangerName(id, context.places) : datasetName(node, context.places);
    return [{ field: { ...name, field: column }, key: `${name.namespace} ${name.name} ${column}` }];
  };
  const inputs = (from: readonly { node: string; column: string }[], transformation: object): object[] => {
    const unique = new Map(from.flatMap(origins).map(({ field, key }) => [key, field]));
    return [...unique.values()].map((field) => ({ ...field, transformations: [transformation] }));
  };
  const fields = columns
    .filter(({ from }) => from.length > 0)
    .map(({ name, from }) => [name, { inputFields: inputs(from, { type: 'DIRECT' }) }] as const);
  const dataset = inputs(rows, { type: 'INDIRECT' });
  if (fields.length === 0 && dataset.length === 0) return undefined;
  const whole = dataset.length === 0 ? {} : { dataset };
  return facet('columnLineage', context.producer, { fields: Object.fromEntries(fields), ...whole });
}
