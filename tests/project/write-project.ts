import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A folder of its own for one test, removed with it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-project-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A project of these files: path → content. */
export async function writeProject(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const root = await temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

export const labelsSql = `-- entity: day
-- label_time: day
-- target: units
-- horizon: 1d
SELECT day, units FROM {{ source('sales') }}
`;

export const calendarSql = `-- entity: day
-- event_time: day
-- known_at: known_at
SELECT day, day - interval '1 year' AS known_at, extract(month FROM day) AS month FROM {{ source('sales') }}
`;

/** The smallest project that trains. */
export const small = {
  'plumbline.yaml': `name: shop
sources:
  sales: { path: data/sales.csv }
train:
  labels: labels.sql
  features: [calendar]
  test_from: 2025-10-01
`,
  'labels.sql': labelsSql,
  'features/calendar.sql': calendarSql,
};
