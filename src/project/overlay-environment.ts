import { pathKey, type LocatedYaml, type Path } from './located-yaml.js';

/**
 * The file with the sections of one environment laid over it: mappings are merged key by key, everything else is
 * replaced. Positions follow the values, so an error in an overlay names the overlay's line.
 */
export function overlayEnvironment(yaml: LocatedYaml, env: string): LocatedYaml {
  const prefix = ['environments', env];
  const overlay = child(child(yaml.value, 'environments'), env);
  const { environments: _environments, ...base } = isMapping(yaml.value) ? yaml.value : {};
  if (!isMapping(overlay)) return { ...yaml, value: base };
  const places = new Map(yaml.places);
  const move = (path: Path): void => {
    const start = pathKey(path).slice(0, -1);
    for (const key of places.keys()) if (key === `${start}]` || key.startsWith(`${start},`)) places.delete(key);
    const from = pathKey([...prefix, ...path]).slice(0, -1);
    for (const [key, place] of yaml.places) {
      if (key !== `${from}]` && !key.startsWith(`${from},`)) continue;
      places.set(`${start}${key.slice(from.length)}`, place);
    }
  };
  return { file: yaml.file, value: merge(base, overlay, [], move), places };
}

function merge(base: unknown, overlay: unknown, path: Path, move: (path: Path) => void): unknown {
  if (!isMapping(base) || !isMapping(overlay)) {
    move(path);
    return overlay;
  }
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overlay)) {
    merged[key] = merge(Object.hasOwn(base, key) ? base[key] : undefined, value, [...path, key], move);
  }
  return merged;
}

function child(value: unknown, key: string): unknown {
  return isMapping(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
