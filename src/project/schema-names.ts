import { TerminalError } from '../errors.js';
import type { Schemas } from '../model/project.js';

/** PostgreSQL cuts longer names off without a word. */
const MAX_BYTES = 63;

/** Environments whose schema would be another one's `raw` or `stage`. */
export const RESERVED_ENVIRONMENTS: readonly string[] = ['raw', 'stage'];

/**
 * `bike-demand`, `dev` → `bike_demand_dev_raw`, `bike_demand_dev`, `bike_demand_dev_stage`. Two projects never share one:
 * project names have no `_`, environment names neither `_` nor `-`. Throws PROJECT_NAME_TOO_LONG.
 */
export function schemaNames(project: string, env: string): Schemas {
  const main = `${project.replaceAll('-', '_')}_${env}`;
  const longest = `${main}_stage`;
  if (longest.length > MAX_BYTES) {
    throw new TerminalError(
      'PROJECT_NAME_TOO_LONG',
      `Naming the schemas of ${project} in ${env} failed: ${longest} has ${longest.length} characters, at most ${MAX_BYTES} are possible.`,
      { at: { file: 'plumbline.yaml', line: 1 }, next: 'Shorten the name of the project or of the environment.' },
    );
  }
  return { raw: `${main}_raw`, main, stage: longest };
}
