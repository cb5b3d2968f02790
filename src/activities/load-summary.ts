import type { ExtractSummary, LoadedObject, LoadSummary } from '../contracts/elt.js';
import type { LandedExtract } from '../elt/extract/extract-progress.js';
import type { PublishResult } from '../elt/load/publish-resource.js';
import type { RetryResult } from '../elt/load/retry-rejects.js';
import type { Project, ResourceConfig } from '../model/project.js';
import type { StepResultRow } from '../storage/step-results.js';
import { fingerprint, SETTINGS, type StepInputs } from './fingerprint.js';
import { plural } from '../model/plural.js';

/**
 * What a load and its publication did. The version names the table's content. A `replace` is what its files are; an `append` or a `merge` also holds what
 * earlier files left, so each publication that changes a row is a version of its own.
 */
export function summarizeLoad(
  resource: ResourceConfig,
  loads: readonly LoadedObject[],
  published: Omit<PublishResult, 'status'>,
  inputs: StepInputs,
  landed: LandedExtract | undefined,
  former: StepResultRow<LoadSummary> | undefined,
): LoadSummary {
  const sum = (pick: (load: LoadedObject) => number): number => loads.reduce((total, load) => total + pick(load), 0);
  const { rowsRemoved, rowsMadeWay = 0 } = published;
  const outside = sum((load) => load.rowsOutside ?? 0);
  const removed =
    rowsRemoved === undefined
      ? []
      : [
          `${rowsRemoved} ${plural(rowsRemoved, 'row')} of older versions of the table ${plural(rowsRemoved, 'was', 'were')} ${resource.merge?.strategy === 'scd2' ? 'closed' : 'removed'}.`,
        ];
  return {
    resource: resource.id,
    table: published.table,
    rowsRead: sum((load) => load.rowsRead),
    rowsLoaded: sum((load) => load.rowsLoaded) - rowsMadeWay,
    rowsRejected: sum((load) => load.rowsRejected),
    rowsDuplicate: sum((load) => load.rowsDuplicate) + rowsMadeWay,
    ...(outside === 0 ? {} : { rowsOutside: outside }),
    tableRows: published.rows,
    ...(published.children && { children: published.children }),
    version: isAsBefore(published, inputs, former)
      ? former!.result.version
      : fingerprint(resource.write === 'replace' ? inputs : { ...inputs, publication: String(published.version) }),
    objects: loads.map(({ path, sha256, loadId }) => ({ path, sha256, loadId })),
    ...(landed === undefined ? {} : { extract: extractSummary(resource, landed, published.rowsLate ?? 0) }),
    // Many files of one form say the same.
    notices: [
      ...new Set([
        ...removed,
        ...publicationNotices(resource, loads, published, landed),
        ...loads.flatMap((load) => load.notices),
      ]),
    ].slice(0, 20),
  };
}

/** The load's summary after some of its rejected rows came in; what the table holds is a version of its own. */
export function summarizeRetry(
  { schemas }: Project,
  resource: ResourceConfig,
  loadId: string,
  { accepted, rejected, duplicate, displaced, leftOut, rows, version, children }: RetryResult,
  former: LoadSummary | undefined,
): LoadSummary {
  // The newest publication of an incremental resource may be of other loads.
  const isPart = former?.objects.some((object) => object.loadId === loadId) ?? false;
  const notices = [
    `${resource.id}: of load ${loadId}, ${accepted} rejected rows are in the table now, ${rejected} stay rejected`,
    ...(duplicate === 0 ? [] : [`${resource.id}: ${duplicate} have a primary key that a later row has`]),
    ...(leftOut === 0
      ? []
      : [
          `${resource.id}: ${leftOut} ${plural(leftOut, 'row was left out, it is', 'rows were left out, they are')} not rejected (any more)`,
        ]),
  ];
  return {
    resource: resource.id,
    table: `${schemas.raw}.${resource.table}`,
    rowsRead: former?.rowsRead ?? 0,
    rowsLoaded: (former?.rowsLoaded ?? 0) + (isPart ? accepted - displaced : 0),
    rowsRejected: (former?.rowsRejected ?? 0) - (isPart ? accepted + duplicate : 0),
    rowsDuplicate: (former?.rowsDuplicate ?? 0) + (isPart ? duplicate + displaced : 0),
    tableRows: rows,
    ...(children && { children }),
    version: fingerprint({ resource: resource.id, publication: String(version) }),
    objects: former?.objects ?? [],
    ...(former?.extract === undefined ? {} : { extract: former.extract }),
    retried: { loadId, accepted, rejected },
    notices,
  };
}

/** What the publication changed, or left, that its counts do not tell; one sentence each. */
function publicationNotices(
  resource: ResourceConfig,
  loads: readonly LoadedObject[],
  {
    columnsAdded,
    typesChanged,
    columnsGone = [],
    anomalies = [],
    rowsGone = 0,
    rowsMissing = 0,
  }: Omit<PublishResult, 'status'>,
  landed: LandedExtract | undefined,
): string[] {
  const { id } = resource;
  // What a program appends in full takes the place of its table.
  const keepsColumns = resource.type === 'postgres' && resource.write !== 'replace';
  const dropped = new Map<string, number>();
  for (const { discarded = {} } of loads)
    for (const [name, values] of Object.entries(discarded)) dropped.set(name, (dropped.get(name) ?? 0) + values);
  return [
    ...anomalies.map((anomaly) => `${id}: unusual: ${anomaly}`),
    ...(columnsAdded.length === 0 ? [] : [`${id}: new columns: ${columnsAdded.join(', ')}`]),
    ...(columnsGone.length === 0
      ? []
      : [
          `${id}: columns that are gone${keepsColumns ? ' from the source, and keep their values' : ''}: ${columnsGone.join(', ')}`,
        ]),
    ...(rowsGone === 0
      ? []
      : [
          `${id}: ${rowsGone} ${plural(rowsGone, 'row')} that the source no longer has ${plural(rowsGone, 'was', 'were')} ${resource.merge?.strategy === 'scd2' ? 'closed' : 'deleted'}`,
        ]),
    ...(rowsMissing === 0
      ? []
      : [
          `${id}: ${rowsMissing} ${plural(rowsMissing, 'row')} of the source ${plural(rowsMissing, 'is', 'are')} not in the table: ${resource.cursor === undefined ? 'see the rejected rows' : 'raise `lag` of its cursor, and load once with --force'}`,
        ]),
    ...(resource.merge?.closesGone === true && landed?.cursorFrom !== undefined
      ? [`${id}: rows that are gone were not closed, as the source went on from its last checkpoint`]
      : []),
    ...(resource.merge?.closesGone === true && loads.some(({ rowsRejected }) => rowsRejected > 0)
      ? [`${id}: rows that are gone were not closed, as rejected ones may be among them`]
      : []),
    ...typesChanged.map(({ column, from, to }) => `${id}: column ${column} is ${to} now, it was ${from}`),
    ...[...dropped].map(
      ([name, values]) =>
        `${id}: ${values} ${plural(values, 'value')} of column ${name} ${plural(values, 'was', 'were')} dropped by its contract`,
    ),
  ];
}

function extractSummary({ type, cursor }: ResourceConfig, landed: LandedExtract, rowsLate: number): ExtractSummary {
  const { pages, parents, cursorFrom: from, cursorTo: to, cursorMissing: rowsWithout } = landed;
  const asked = type === 'http' ? { pages, ...(parents === undefined ? {} : { parents }) } : {};
  if (cursor === undefined) return asked;
  const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  return { ...asked, cursor: { field: cursor.field, ...range, rowsLate, rowsWithout } };
}

/** What came again was there: the table holds what it held. */
function isAsBefore(
  { rowsChanged, rowsGone = 0, columnsAdded }: Omit<PublishResult, 'status'>,
  inputs: StepInputs,
  former: StepResultRow<LoadSummary> | undefined,
): boolean {
  const isSameCode = ['loader', SETTINGS].every((name) => former?.inputs[name] === inputs[name]);
  return rowsChanged === 0 && rowsGone === 0 && columnsAdded.length === 0 && isSameCode;
}
