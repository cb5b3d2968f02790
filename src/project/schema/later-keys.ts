import type { Path } from '../located-yaml.js';

/** Keys that are planned; told apart from misspelt ones. `*` stands for any name. */
const LATER_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': ['monitor'],
  'sources.*': ['cursor', 'publish', 'url'],
  'sources.*.resources.*': ['cursor', 'publish', 'url'],
  train: ['search'],
  'train.split': ['folds', 'gap'],
  deploy: ['rollout'],
};

const LATER_VALUES: Readonly<Record<string, readonly string[]>> = {
  'train.trainer': ['random_forest', 'python', 'notebook'],
  'train.trainer.type': ['random_forest', 'python', 'notebook'],
};

export function isLaterKey(parent: Path, key: string): boolean {
  return find(LATER_KEYS, parent).includes(key);
}

export function isLaterValue(path: Path, value: unknown): boolean {
  return typeof value === 'string' && find(LATER_VALUES, path).includes(value);
}

function find(table: Readonly<Record<string, readonly string[]>>, path: Path): readonly string[] {
  for (const [pattern, names] of Object.entries(table)) {
    const parts = pattern === '' ? [] : pattern.split('.');
    if (parts.length === path.length && parts.every((part, index) => part === '*' || part === path[index]))
      return names;
  }
  return [];
}
