import type { Queryable } from '../../model/database.js';
import { identifier } from '../../model/sql-identifier.js';
import type { Grant, RelationFacts } from './describe-relation.js';
import { sqlName, type TableName } from './table-name.js';

/**
 * A table moved into a schema does not get that schema's default privileges, which apply only at creation. This gives a
 * first publication what `ALTER DEFAULT PRIVILEGES IN SCHEMA <schema>` says, as if the table had been created there.
 */
export async function grantDefaults(
  session: Queryable,
  built: RelationFacts,
  staged: TableName,
  schema: string,
): Promise<void> {
  const grants = await session.query<Grant & Record<string, unknown>>(
    `SELECT CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END AS grantee,
       a.privilege_type AS privilege, a.is_grantable AS grantable
     FROM pg_default_acl d
     JOIN pg_namespace n ON n.oid = d.defaclnamespace
     CROSS JOIN aclexplode(d.defaclacl) a
     WHERE n.nspname = $1 AND d.defaclobjtype = 'r' AND pg_get_userbyid(d.defaclrole) = $2
       AND pg_get_userbyid(a.grantee) <> $2`,
    [schema, built.owner],
  );
  for (const grant of grants) {
    const role = grant.grantee === '' ? 'PUBLIC' : identifier(grant.grantee);
    const option = grant.grantable ? ' WITH GRANT OPTION' : '';
    await session.execute(`GRANT ${grant.privilege} ON ${sqlName(staged)} TO ${role}${option}`);
  }
}
