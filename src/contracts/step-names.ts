/** What the steps of a run are called in its record. */
export const stepNames = {
  extract: (resource: string) => `extract:${resource}`,
  load: (resource: string) => `load:${resource}`,
  transform: (name: string) => `transform:${name}`,
  features: (set: string) => `features:${set}`,
  train: (set: string, trainer: string) => (set === 'main' ? `train:${trainer}` : `train:${trainer}:${set}`),
  baselines: 'baselines',
  register: 'register',
  deploy: 'deploy',
} as const;
