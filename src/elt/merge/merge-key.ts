import type { ResourceConfig } from '../../model/project.js';

export function mergeStrategy({ merge }: Pick<ResourceConfig, 'merge'>): 'upsert' | 'delete-insert' | 'scd2' {
  return merge?.strategy ?? 'upsert';
}

/** Columns whose values say which rows a load replaces. */
export function mergeKey({ merge, primaryKey }: Pick<ResourceConfig, 'merge' | 'primaryKey'>): readonly string[] {
  return merge?.key ?? primaryKey;
}

/** Whether each extract of an API, or of code, is a whole snapshot that rows can be gone from: then all of it is loaded whenever some of it is. */
export function isSnapshot({ merge, type }: Pick<ResourceConfig, 'merge' | 'type'>): boolean {
  return (type === 'http' || type === 'python' || type === 'plugin') && merge?.closesGone === true;
}
