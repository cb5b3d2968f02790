import type { FreshnessConfig, ResourceConfig } from '../model/project.js';
import { parseDuration } from './duration.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { FreshnessYaml } from './schema/freshness.js';
import type { ProjectYaml } from './schema/project.js';

interface WithFreshness {
  readonly freshness?: FreshnessYaml | undefined;
  readonly resources?: Readonly<Record<string, { readonly freshness?: FreshnessYaml | undefined }>> | undefined;
}

/** How new the rows of resources have to be; what a resource does not say is taken from its source. */
export function resolveFreshness(
  resources: readonly ResourceConfig[],
  { yaml, project }: { readonly yaml: LocatedYaml; readonly project: ProjectYaml },
): FreshnessConfig[] {
  return resources.flatMap(({ id, source, table }): FreshnessConfig[] => {
    // Whatever kind of source it is.
    const given: WithFreshness | undefined = project.sources?.[source];
    const name = id.slice(source.length + 1);
    const own = given?.resources?.[name]?.freshness;
    const said = own ?? given?.freshness;
    if (said === undefined) return [];
    const path = ['sources', source, ...(own === undefined ? [] : ['resources', name]), 'freshness'];
    const { warn_after, error_after, loaded_at } = said;
    return [
      {
        resource: id,
        table,
        loadedAt: loaded_at ?? '_loaded_at',
        ...(warn_after === undefined ? {} : { warnAfterMs: ageMs(warn_after) }),
        ...(error_after === undefined ? {} : { errorAfterMs: ageMs(error_after) }),
        at: { file: yaml.file, line: positionAt(yaml, path, 'key').line ?? 1 },
      },
    ];
  });
}

function ageMs(age: NonNullable<FreshnessYaml['warn_after']>): number {
  return parseDuration(typeof age === 'string' ? age : `${age.count}${age.period[0]}`);
}
