import { createHash } from 'node:crypto';

/** Facets, each with who made it and its schema. */
export type Facets = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Dataset {
  readonly namespace: string;
  readonly name: string;
  readonly facets?: Facets;
  readonly outputFacets?: Facets;
}

/** A run event of OpenLineage 2-0-2. */
export interface RunEvent {
  readonly eventType: 'START' | 'COMPLETE' | 'FAIL' | 'ABORT';
  readonly eventTime: string;
  readonly producer: string;
  readonly schemaURL: string;
  readonly run: { readonly runId: string; readonly facets: Facets };
  readonly job: { readonly namespace: string; readonly name: string; readonly facets: Facets };
  readonly inputs: readonly Dataset[];
  readonly outputs: readonly Dataset[];
}

const SPEC = 'https://openlineage.io/spec';
export const RUN_EVENT_SCHEMA = `${SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent`;

/** Versions of the facets that are written, as the specification numbers them. */
const FACETS = {
  parent: '1-2-0/ParentRunFacet',
  nominalTime: '1-0-1/NominalTimeRunFacet',
  errorMessage: '1-0-1/ErrorMessageRunFacet',
  processing_engine: '1-1-1/ProcessingEngineRunFacet',
  jobType: '2-0-4/JobTypeJobFacet',
  sql: '1-1-0/SQLJobFacet',
  schema: '1-2-0/SchemaDatasetFacet',
  version: '1-0-1/DatasetVersionDatasetFacet',
  columnLineage: '1-2-0/ColumnLineageDatasetFacet',
  outputStatistics: '1-0-2/OutputStatisticsOutputDatasetFacet',
} as const;

export function facet(
  name: keyof typeof FACETS,
  producer: string,
  content: Readonly<Record<string, unknown>>,
): Facets[string] {
  const [version, type] = FACETS[name].split('/');
  return { _producer: producer, _schemaURL: `${SPEC}/facets/${version}/${type}.json#/$defs/${type}`, ...content };
}

/** UUID version 5 (RFC 9562): the same run and step always have the same. */
export function eventRunId(runId: string, step: string): string {
  const name = createHash('sha1').update(NAMESPACE).update(`${runId}/${step}`).digest().subarray(0, 16);
  name[6] = (name[6]! & 0x0f) | 0x50;
  name[8] = (name[8]! & 0x3f) | 0x80;
  return name.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Of plumbline, drawn once. */
const NAMESPACE = Buffer.from('6f1d1c7ba6a24f7e9f0f3c5a4be27d18', 'hex');
