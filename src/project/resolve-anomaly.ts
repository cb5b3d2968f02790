import type { z } from 'zod';
import type { AnomalyConfig, WriteDisposition } from '../model/project.js';
import type { anomalySchema } from './schema/anomaly.js';

/** The guard of a publication, as far as it is said; a line for `plan` where it is not. */
export function resolveAnomaly(
  given: z.infer<typeof anomalySchema> | undefined,
  write: WriteDisposition,
  applied: (line: string) => void,
  place: string,
): { readonly anomaly?: AnomalyConfig } {
  if (given === undefined) {
    applied(`${place}.anomaly = ${write === 'replace' ? 'warn' : 'off'}`);
    return {};
  }
  if (typeof given === 'string') return { anomaly: { mode: given } };
  const { mode, deviations, history, min_history: minHistory } = given;
  return {
    anomaly: {
      mode,
      ...(deviations !== undefined && { deviations }),
      ...(history !== undefined && { history }),
      ...(minHistory !== undefined && { minHistory }),
    },
  };
}
