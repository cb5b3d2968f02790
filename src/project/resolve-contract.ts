import type { SchemaContract, WriteDisposition } from '../model/project.js';

interface ContractYaml {
  readonly tables?: SchemaContract['tables'] | undefined;
  readonly columns?: SchemaContract['columns'] | undefined;
  readonly types?: SchemaContract['types'] | undefined;
}

/** The part of a contract that is said; a line for `plan` of the part that is not. */
export function resolveContract(
  given: ContractYaml | undefined,
  write: WriteDisposition,
  applied: (line: string) => void,
  place: string,
): { readonly contract?: SchemaContract } {
  const { tables, columns, types } = given ?? {};
  const defaults = [
    ...(columns === undefined ? ['columns evolve'] : []),
    ...(types === undefined ? [`types ${write === 'replace' ? 'evolve' : 'discard_row'}`] : []),
  ];
  if (defaults.length > 0) applied(`${place}.contract = ${defaults.join(', ')}`);
  if (tables === undefined && columns === undefined && types === undefined) return {};
  return {
    contract: {
      ...(tables !== undefined && { tables }),
      ...(columns !== undefined && { columns }),
      ...(types !== undefined && { types }),
    },
  };
}
