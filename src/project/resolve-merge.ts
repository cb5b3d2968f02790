import type { z } from 'zod';
import type { MergeConfig, WriteDisposition } from '../model/project.js';
import type { mergeSchema } from './schema/merge.js';

export interface MergePlace {
  readonly given: z.infer<typeof mergeSchema> | undefined;
  readonly write: WriteDisposition;
  readonly primaryKey: readonly string[];
  /** A load is not all of the source: a glob, or what is new since a cursor. `unknown`: its code decides. */
  readonly isPartial: boolean | 'unknown';
  /** Its source names the key where `primaryKey` is empty. */
  readonly keyIsOfSource: boolean;
}

/** How rows are merged, absent for a plain upsert; or what is wrong with it, at which key. */
export function resolveMerge({
  given,
  write,
  primaryKey,
  isPartial,
  keyIsOfSource,
}: MergePlace): { readonly merge?: MergeConfig } | { readonly wrong: string; readonly next: string } {
  if (given === undefined)
    return write === 'merge' && primaryKey.length === 0 && !keyIsOfSource
      ? { wrong: 'is merged and has no "primary_key".', next: 'Add `primary_key:`, or write: replace.' }
      : {};
  const {
    strategy = 'upsert',
    key,
    hard_delete: hardDelete,
    when_gone: whenGone,
  } = typeof given === 'string' ? { strategy: given } : given;
  if (write !== 'merge')
    return { wrong: `has "merge" and write: ${write}.`, next: 'Set write: merge, or take `merge` out.' };
  if (key !== undefined && strategy !== 'delete-insert')
    return {
      wrong: `has merge.key, which ${strategy} does not use.`,
      next: 'Set strategy: delete-insert, or take `key` out.',
    };
  if (whenGone !== undefined && strategy !== 'scd2')
    return {
      wrong: `has merge.when_gone, which ${strategy} does not use.`,
      next: 'Set strategy: scd2, or take `when_gone` out.',
    };
  if (primaryKey.length === 0 && key === undefined && !keyIsOfSource)
    return { wrong: 'is merged and has no "primary_key".', next: 'Add `primary_key:`, or write: replace.' };
  if (whenGone === 'close' && isPartial === true)
    return {
      wrong:
        'has merge.when_gone: close, but a load is not all of the source: its path is a glob, it has a cursor, or it is a tap.',
      next: 'Set when_gone: keep, or mark deleted rows with `hard_delete`.',
    };
  const closesGone = strategy === 'scd2' && (whenGone ?? (isPartial === false ? 'close' : 'keep')) === 'close';
  if (strategy === 'upsert' && hardDelete === undefined) return {};
  return {
    merge: {
      strategy,
      ...(key === undefined ? {} : { key: [key].flat() }),
      ...(hardDelete === undefined ? {} : { hardDelete }),
      ...(closesGone ? { closesGone } : {}),
    },
  };
}

/** The line of `plan` for what a load that lacks a key means; none where that is said, or means nothing. */
export function whenGoneLine({ given }: Pick<MergePlace, 'given'>, merge: MergeConfig | undefined): string[] {
  const isSaid = typeof given === 'object' && given.when_gone !== undefined;
  if (merge?.strategy !== 'scd2' || isSaid) return [];
  return [
    `merge.when_gone = ${merge.closesGone === true ? 'close (each load is everything)' : 'keep (a load may be a part)'}`,
  ];
}
