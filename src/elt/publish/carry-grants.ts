import { identifier } from '../../model/sql-identifier.js';
import type { Queryable } from '../../model/database.js';
import type { Grant, RelationFacts } from './describe-relation.js';

/**
 * Gives `name` the access lists of `from`, to the letter: what it has and `from` has not is revoked. Column grants
 * follow the columns that still exist. `current` describes `name` as it is; both owners are the same by now.
 */
export async function carryGrants(
  session: Queryable,
  from: Pick<RelationFacts, 'owner' | 'grants' | 'columns'>,
  current: Pick<RelationFacts, 'owner' | 'grants' | 'columns'>,
  name: string,
): Promise<void> {
  await carryList(session, from.owner, from.grants, current.grants, name, '');
  for (const column of from.columns) {
    const now = current.columns.find((candidate) => candidate.name === column.name);
    if (now === undefined) continue;
    await carryList(session, from.owner, column.grants, now.grants, name, ` (${identifier(column.name)})`);
  }
}

async function carryList(
  session: Queryable,
  owner: string,
  wanted: readonly Grant[],
  current: readonly Grant[],
  name: string,
  column: string,
): Promise<void> {
  if (sameGrants(wanted, current)) return;
  for (const grantee of new Set(current.map((grant) => grant.grantee))) {
    await session.execute(`REVOKE ALL${column} ON ${name} FROM ${role(grantee)} CASCADE`);
  }
  for (const grant of inOrderOfGranting(owner, wanted)) {
    const statement =
      `GRANT ${grant.privilege}${column} ON ${name} TO ${role(grant.grantee)}` +
      (grant.grantable ? ' WITH GRANT OPTION' : '');
    if (grant.grantor === owner) {
      await session.execute(statement);
    } else {
      // Only the one who passed a privilege on is recorded as its grantor.
      await session.execute(`SET LOCAL ROLE ${identifier(grant.grantor)}`);
      await session.execute(statement);
      await session.execute('RESET ROLE');
    }
  }
}

export function sameGrants(left: readonly Grant[], right: readonly Grant[]): boolean {
  const text = (grants: readonly Grant[]): string =>
    JSON.stringify(
      grants.map((grant) => [grant.grantor, grant.grantee, grant.privilege, grant.grantable].join('\0')).sort(),
    );
  return text(left) === text(right);
}

/** The owner's grants first, then those of whoever received the privilege with the right to pass it on. */
function inOrderOfGranting(owner: string, grants: readonly Grant[]): Grant[] {
  const done: Grant[] = [];
  let rest = [...grants];
  while (rest.length > 0) {
    const ready = rest.filter(
      (grant) =>
        grant.grantor === owner ||
        done.some((given) => given.grantable && given.grantee === grant.grantor && given.privilege === grant.privilege),
    );
    // A chain that starts outside the list cannot be ordered; PostgreSQL then says what is missing.
    const next = ready.length > 0 ? ready : rest;
    done.push(...next);
    rest = rest.filter((grant) => !next.includes(grant));
  }
  return done;
}

function role(name: string): string {
  return name === '' ? 'PUBLIC' : identifier(name);
}
