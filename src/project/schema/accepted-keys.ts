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
  /** The key that says which of `options` it is. */
  readonly discriminator?: string;
}

/** The keys that the object at `path` in `value` may have; over all its forms where it does not say which; empty where any is accepted. */
export function acceptedKeys(schema: z.core.$ZodType, path: Path, value: unknown): string[] {
  const [step, ...rest] = path;
  const { innerType, options, discriminator, shape, catchall, element, valueType } = schema._zod.def as Definition;
  if (innerType !== undefined) return acceptedKeys(innerType, path, value);
  if (options !== undefined) {
    const forms = discriminator === undefined ? options : formsOf(options, discriminator, value);
    return [...new Set(forms.flatMap((option) => acceptedKeys(option, path, value)))];
  }
  if (step === undefined) return shape === undefined ? [] : Object.keys(shape);
  const inner = ownValue(value, step);
  if (typeof step === 'number') return element === undefined ? [] : acceptedKeys(element, rest, inner);
  const child = shape === undefined ? valueType : Object.hasOwn(shape, step) ? shape[String(step)] : catchall;
  return child === undefined ? [] : acceptedKeys(child, rest, inner);
}

/** The form that the value names, without a name the one that needs none; all where it names none of them. */
function formsOf(
  options: readonly z.core.$ZodType[],
  discriminator: string,
  value: unknown,
): readonly z.core.$ZodType[] {
  const named = ownValue(value, discriminator);
  const fitting = options.filter((option) => option._zod.propValues?.[discriminator]?.has(named as string));
  return fitting.length > 0 ? fitting : options;
}

function ownValue(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<PropertyKey, unknown>)[key]
    : undefined;
}
