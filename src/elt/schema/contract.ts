import type { ContractMode, ResourceConfig } from '../../model/project.js';

export interface Contract {
  readonly tables: 'evolve' | 'freeze';
  readonly columns: ContractMode;
  readonly types: ContractMode;
}

/** What a load may change of its table, defaults filled in: `replace` makes the table anew, so its types are the file's. */
export function contractOf({ contract, write }: Pick<ResourceConfig, 'contract' | 'write'>): Contract {
  return { tables: 'evolve', columns: 'evolve', types: write === 'replace' ? 'evolve' : 'discard_row', ...contract };
}
