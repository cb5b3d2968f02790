/** Runs one bench with a throw-away PostgreSQL and says on which machine, with which versions. */
import { readdirSync } from 'node:fs';
import { arch, cpus, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import startPostgres from '../tests/setup/global.js';
import { VERSION } from '../src/version.js';

const names = readdirSync(fileURLToPath(new URL('.', import.meta.url)))
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts' && !file.includes('workflow'))
  .map((file) => file.replace(/\.ts$/, ''));
const name = process.argv[2] ?? '';
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- <name>\nbenches: ${names.join(', ')}`);
  process.exit(2);
}
const [cpu] = cpus();
console.log(
  `${name} · plumbline ${VERSION} · node ${process.version} · ${platform()} ${arch()} · ${cpus().length} × ${cpu?.model ?? 'cpu'} · ${Math.round(totalmem() / 2 ** 30)} GiB`,
);
const stop = await startPostgres({
  provide: (_key: string, url: string) => (process.env['PLUMBLINE_DATABASE_URL'] ??= url),
} as unknown as TestProject);
try {
  await import(`./${name}.ts`);
} finally {
  await stop();
}
