import { readFile, readdir } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { METRICS } from '../../src/project/schema/train.js';
import { projectJsonSchema } from '../../src/project/json-schema.js';
import { boostingDefaults } from '../../src/training/gradient-boosting/boosting-parameters.js';
import { metrics } from '../../src/training/metrics/metric-list.js';

const folder = new URL('../../', import.meta.url);
const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

describe('schema/plumbline.schema.json', () => {
  it('is up to date: `npm run build && node scripts/schema.mjs` writes it', async () => {
    expect(await readFile(new URL('schema/plumbline.schema.json', folder), 'utf8')).toBe(projectJsonSchema());
  });

  const validate = new Ajv({ allErrors: true }).compile(JSON.parse(projectJsonSchema()) as object);

  it('accepts every example', async () => {
    for (const name of await readdir(new URL('examples/', folder))) {
      const yaml: unknown = parse(await readFile(new URL(`examples/${name}/plumbline.yaml`, folder), 'utf8'));
      expect(validate(yaml), `${name}: ${JSON.stringify(validate.errors)}`).toBe(true);
    }
  });

  it('refuses unknown keys and wrong values', () => {
    expect(validate({ name: 'shop', sorces: {} })).toBe(false);
    expect(validate({ name: 'shop', deploy: { approval: 'maybe' } })).toBe(false);
    expect(validate({ name: 'shop', sources: { a: { path: 'a.csv', primary_key: 1 } } })).toBe(false);
  });
});

describe('train in plumbline.yaml', () => {
  it('knows the metrics and parameters that training has', () => {
    expect([...METRICS].sort()).toEqual(metrics.map(({ name }) => snake(name)).sort());
    for (const name of Object.keys(boostingDefaults)) expect(projectJsonSchema()).toContain(`"${snake(name)}"`);
  });
});
