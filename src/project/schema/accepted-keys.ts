import type { z } from 'zod';
import type { Path } from '../located-yaml.js';

interface Definition {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  /** Of names that are not in `shape`. */
  readonly catchall?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
}

/** The keys that the object at `path` may have, over all its forms; empty where any is accepted. */
export function acceptedKeys(schema: z.core.$ZodType, path: Path): string[] {
  const [step, ...rest] = path;
  const { innerType, options, shape, catchall, element, valueType } = schema._zod.def as Definition;
  if (innerType !== undefined) return acceptedKeys(innerType, path);
  if (options !== undefined) return [...new Set(options.flatMap((option) => acceptedKeys(option, path)))];
  if (step === undefined) return shape === undefined ? [] : Object.keys(shape);
  if (typeof step === 'number') return element === undefined ? [] : acceptedKeys(element, rest);
  const child = shape === undefined ? valueType : Object.hasOwn(shape, step) ? shape[String(step)] : catchall;
  return child === undefined ? [] : acceptedKeys(child, rest);
}
