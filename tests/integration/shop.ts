import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { createStack, type CommandResult, type TestStack } from '../support/stack.js';

const MINIMAL = fileURLToPath(new URL('../../examples/minimal', import.meta.url));

/** The files a case may change, as they are when all is well. */
const FILES: Readonly<Record<string, string>> = {
  'plumbline.yaml': `name: shop

sources:
  sales: { path: data/sales.csv, primary_key: day }

tests:
  daily:
    - not_null: [day, units]
    - row_count: { min: 300 }

train:
  labels: labels.sql
  features: [calendar, last_week]
  test_from: 2025-10-01
`,
  'sql/daily.sql': `-- description: One row a day.
-- materialized: table
SELECT day, price, units
FROM {{ source('sales') }}
`,
  'labels.sql': `-- entity: day
-- label_time: day
-- target: units
-- horizon: 1d
SELECT day, units
FROM {{ ref('daily') }}
`,
};

/** New content of a file; a function gets what is there now and writes itself. */
export type Change = string | Buffer | ((path: string) => Promise<unknown>);

/** A small shop's project on a stack of its own, trained and serving v1, whose files each case changes and gets back. */
export interface Shop extends TestStack {
  /** `plumbline …` with these files changed for as long as it runs. */
  with(
    changes: Readonly<Record<string, Change>>,
    args: readonly string[],
    env?: NodeJS.ProcessEnv,
  ): Promise<CommandResult>;
  file(path: string): Promise<string>;
  /** Every table of the project with a checksum of its rows, what serves, and the versions there are. */
  content(): Promise<unknown>;
  /** Where the stack's servers are, for a project in another folder. */
  servers(): Promise<NodeJS.ProcessEnv>;
}

export async function openShop(): Promise<Shop> {
  const template = await mkdtemp(join(tmpdir(), 'plumbline-shop-'));
  await cp(MINIMAL, template, { recursive: true, filter: (path) => !path.includes('.plumbline') });
  for (const [path, text] of Object.entries(FILES)) await write(join(template, path), text);
  const stack = await createStack(template);
  const kept = new Map<string, Buffer>();
  const original = async (path: string): Promise<Buffer | undefined> => {
    if (!kept.has(path)) {
      const content = await readFile(join(template, path)).catch(() => undefined);
      if (content === undefined) return undefined;
      kept.set(path, content);
    }
    return kept.get(path);
  };
  return {
    ...stack,
    async with(changes, args, env = {}) {
      for (const [path, change] of Object.entries(changes)) {
        const absolute = join(stack.root, path);
        if (typeof change === 'function') await change(absolute);
        else await write(absolute, change);
      }
      try {
        return await stack.plumbline(args, { env: { NO_COLOR: '1', ...env } });
      } finally {
        for (const path of Object.keys(changes)) {
          await rm(join(stack.root, path), { recursive: true, force: true });
          const content = await original(path);
          if (content !== undefined) await write(join(stack.root, path), content);
        }
      }
    },
    file: (path) => readFile(join(stack.root, path), 'utf8'),
    content() {
      return stack.query(
        `SELECT schemaname, tablename,
                query_to_xml(format('SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %I.%I AS t',
                                    schemaname, tablename), true, true, '')::text AS rows
         FROM pg_tables WHERE schemaname LIKE 'shop%' OR tablename IN ('serving_pointer', 'model_versions', 'decisions')
         ORDER BY 1, 2`,
      );
    },
    async servers() {
      const { ports } = await stack.state();
      const { postgresPassword } = JSON.parse(await readFile(join(stack.root, '.plumbline/secrets.json'), 'utf8')) as {
        postgresPassword: string;
      };
      return {
        PLUMBLINE_DATABASE_URL: `postgres://plumbline:${postgresPassword}@127.0.0.1:${ports.postgres}/plumbline`,
        TEMPORAL_ADDRESS: `127.0.0.1:${ports.temporal}`,
        PLUMBLINE_STORE: join(stack.root, '.plumbline', 'store'),
      };
    },
    async destroy() {
      await stack.destroy();
      await rm(template, { recursive: true, force: true });
    },
  };
}

export interface Refusal {
  readonly code: string;
  /** Part of the sentence that says what happened. */
  readonly says: string | RegExp;
  /** The user's own file, with line where there is one. */
  readonly at?: string;
  /** What failed, as the first line names it. */
  readonly step?: string;
  /** Part of what to do next. */
  readonly next: string | RegExp;
  /** @default 1 */
  readonly exit?: number;
}

/** stderr is the step, one sentence, the user's file, what to do next, and nothing else. */
export function expectRefusal({ code: exit, stderr }: CommandResult, refusal: Refusal): void {
  const lines = stderr.trimEnd().split('\n');
  expect(lines[0], stderr).toBe(`✗ ${refusal.step === undefined ? '' : `${refusal.step} `}failed (${refusal.code})`);
  expect(lines[1]).toMatch(refusal.says);
  expect(lines[1]).toMatch(/^ {2}\S.*[.?)]$/);
  const next = lines.slice(refusal.at === undefined ? 2 : 3);
  if (refusal.at !== undefined) expect(lines[2]).toBe(`  ${refusal.at}`);
  expect(next.length, stderr).toBeGreaterThanOrEqual(1);
  expect(next.length, stderr).toBeLessThanOrEqual(2);
  for (const line of next) expect(line).toMatch(/^ {2}→ \S/);
  expect(next.join('\n')).toMatch(refusal.next);
  expect(exit).toBe(refusal.exit ?? 1);
}

async function write(path: string, content: string | Buffer): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
