import type { ContractMode, SchemaContract } from '../model/project.js';

interface ContractYaml {
  readonly tables?: SchemaContract['tables'] | undefined;
  readonly columns?: SchemaContract['columns'] | undefined;
  readonly types?: SchemaContract['types'] | undefined;
}

/** The part of a contract that is said; a line for `plan` of the part that is not. */
export function resolveContract(
  given: ContractYaml | undefined,
  /** Where the contract says none. */
  typesMode: ContractMode,
  applied: (line: string) => void,
  place: string,
): { readonly contract?: SchemaContract } {
  const { tables, columns, types } = given ?? {};
  const defaults = [
    ...(columns === undefined ? ['columns evolve'] : []),
    ...(types === undefined ? [`types ${typesMode}`] : []),
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
