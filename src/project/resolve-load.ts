import type { ContractMode, ResourceConfig, WriteDisposition } from '../model/project.js';
import { resolveAnomaly } from './resolve-anomaly.js';
import { resolveColumns } from './resolve-columns.js';
import { resolveContract } from './resolve-contract.js';
import { resolveMerge, whenGoneLine } from './resolve-merge.js';
import { placeInFile, refuser, type ResourcePlace, type ResourceScope } from './resource-place.js';
import type { ResourceKeysYaml } from './schema/resource-keys.js';
import { parseShare } from './share.js';

/** What a kind of source says of a resource's load. */
export interface LoadDefaults {
  /** Where neither `write` nor `merge` is said. */
  readonly write: WriteDisposition;
  /** Why, for `plan`. */
  readonly why: string;
  /** A load is not all of the source: a glob, or what is new since a cursor. `unknown`: its code decides. */
  readonly isPartial: boolean | 'unknown';
  /** Its source says which columns are the key, where the project does not. @default false */
  readonly keyIsOfSource?: boolean;
  /** What becomes of a type that changes where the contract does not say it. @default evolve for replace, else discard_row */
  readonly types?: ContractMode;
  /** What types are where `columns` says none, for `plan`. */
  readonly columns: string;
}

type LoadConfig = Pick<
  ResourceConfig,
  'write' | 'primaryKey' | 'merge' | 'columns' | 'anomaly' | 'contract' | 'maxRejectedShare' | 'at'
>;

/** What every kind of source says of its table; undefined when something is wrong, which is reported. */
export function resolveLoad(
  place: ResourcePlace<ResourceKeysYaml>,
  scope: ResourceScope,
  defaults: LoadDefaults,
): LoadConfig | undefined {
  const { given, path } = place;
  const { applied } = scope;
  const name = path.join('.');
  const refuse = refuser(place, scope);
  const primaryKey = [given.primary_key ?? []].flat();
  const write = given.write ?? (given.merge === undefined ? defaults.write : 'merge');
  const { isPartial, keyIsOfSource = false } = defaults;
  const merging = { given: given.merge, write, primaryKey, isPartial, keyIsOfSource };
  const merged = resolveMerge(merging);
  if ('wrong' in merged) {
    refuse({
      code: given.merge === undefined ? 'PROJECT_KEY_MISSING' : 'PROJECT_VALUE_INVALID',
      message: `${name} ${merged.wrong}`,
      at: given.merge === undefined ? 'write' : 'merge',
      next: merged.next,
    });
    return undefined;
  }
  if (given.write === undefined)
    applied(`${name}.write = ${write} (${given.merge === undefined ? defaults.why : '`merge` is set'})`);
  for (const line of whenGoneLine(merging, merged.merge)) applied(`${name}.${line}`);
  if (given.max_rejected === undefined) applied(`${name}.max_rejected = 1%`);
  if (given.columns === undefined) applied(`${name}.columns = ${defaults.columns}`);
  const types = defaults.types ?? (write === 'replace' ? 'evolve' : 'discard_row');
  return {
    write,
    primaryKey,
    ...merged,
    columns: resolveColumns(given.columns),
    ...resolveAnomaly(given.anomaly, write, applied, name),
    ...resolveContract(given.contract, types, applied, name),
    maxRejectedShare: parseShare(given.max_rejected ?? 0.01),
    at: placeInFile(place, scope),
  };
}
