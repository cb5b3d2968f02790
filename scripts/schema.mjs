// Writes schema/plumbline.schema.json from the compiled schema. Run after a build; a test fails when it is out of date.
import { mkdirSync, writeFileSync } from 'node:fs';

const { projectJsonSchema } = await import(new URL('../dist/project/json-schema.js', import.meta.url));
const folder = new URL('../schema/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('plumbline.schema.json', folder), projectJsonSchema());
