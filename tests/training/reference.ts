import { readFileSync } from 'node:fs';

/** A file of tests/reference/training, made by scikit-learn. */
export function readReference<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../reference/training/${name}`, import.meta.url), 'utf8')) as T;
}
