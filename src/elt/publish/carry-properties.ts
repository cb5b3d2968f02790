import { TerminalError } from '../../errors.js';
import type { Queryable } from '../../model/database.js';
import { identifier, literal } from '../../model/sql-identifier.js';
import { carryGrants, sameGrants } from './carry-grants.js';
import { describeRelation, type ConstraintFacts, type IndexFacts, type RelationFacts } from './describe-relation.js';
import { postgresCode } from './postgres-code.js';
import { shownName, sqlName, type TableName } from './table-name.js';

/**
 * Makes the staged relation equal to `from` in everything but its rows and columns: options, NOT NULL, defaults,
 * indexes, constraints, row-level security, comments. What the stage already has stays, so a second call does
 * nothing. Carried indexes get names of their own until `restoreNames`, because old and new live side by side.
 *
 * @param now what the staged relation is
 *
 * Throws `ELT_SWAP_CANNOT_CARRY` when the new rows or columns do not allow it; a retry gives the same.
 */
export async function carryProperties(
  session: Queryable,
  from: RelationFacts,
  now: RelationFacts,
  staged: TableName,
): Promise<void> {
  const name = sqlName(staged);
  const attempt = async (what: string, statement: string): Promise<void> => {
    try {
      await session.execute(statement);
    } catch (cause) {
      if (!isStatementAtFault(cause)) throw cause;
      throw cannotCarry(what, staged, cause);
    }
  };

  if (from.kind === 'r' && now.kind === 'r') {
    for (const column of from.columns) {
      const twin = now.columns.find((candidate) => candidate.name === column.name);
      if (twin === undefined) continue;
      const alter = `ALTER TABLE ${name} ALTER COLUMN ${identifier(column.name)}`;
      if (column.notNull && !twin.notNull) await attempt(`NOT NULL of column ${column.name}`, `${alter} SET NOT NULL`);
      if (column.defaultSql !== null && twin.defaultSql === null)
        await attempt(`the default of column ${column.name}`, `${alter} SET DEFAULT ${column.defaultSql}`);
    }
    for (const constraint of missingConstraints(from, now)) {
      await attempt(
        `constraint ${constraint.name}`,
        `ALTER TABLE ${name} ADD CONSTRAINT ${identifier(stageName(now, constraint))} ${constraint.definition}`,
      );
    }
    for (const index of missingIndexes(from, now)) {
      await attempt(
        `index ${index.name}`,
        `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${identifier(temporaryName(from, index.name))} ON ${name} USING ${index.definition}`,
      );
    }
    for (const policy of from.policies) {
      if (now.policies.some((candidate) => candidate.name === policy.name)) continue;
      const roles = policy.roles.map((role) => (role === '' ? 'PUBLIC' : identifier(role))).join(', ');
      await attempt(
        `policy ${policy.name}`,
        `CREATE POLICY ${identifier(policy.name)} ON ${name} AS ${policy.permissive ? 'PERMISSIVE' : 'RESTRICTIVE'} ` +
          `FOR ${policy.command} TO ${roles}` +
          (policy.using === null ? '' : ` USING (${policy.using})`) +
          (policy.check === null ? '' : ` WITH CHECK (${policy.check})`),
      );
      if (policy.comment !== null)
        await session.execute(`COMMENT ON POLICY ${identifier(policy.name)} ON ${name} IS ${literal(policy.comment)}`);
    }
    if (from.rowSecurity && !now.rowSecurity) await session.execute(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`);
    if (from.forceRowSecurity && !now.forceRowSecurity)
      await session.execute(`ALTER TABLE ${name} FORCE ROW LEVEL SECURITY`);
  }
  if (from.kind === now.kind) {
    const missing = from.options.filter((option) => !now.options.some((has) => keyOf(has) === keyOf(option)));
    if (missing.length > 0) await session.execute(`ALTER ${noun(now)} ${name} SET (${optionList(missing)})`);
  }
  await carryComments(session, from, now, staged);
}

/**
 * In its final schema, where the owner and whoever passed a privilege on have their rights: the old owner and grants.
 *
 * @param built what the published relation is, wherever it was when that was read
 */
export async function carryAccess(
  session: Queryable,
  from: RelationFacts,
  built: RelationFacts,
  published: TableName,
): Promise<void> {
  const name = sqlName(published);
  let now = built;
  if (from.owner !== now.owner) {
    await session.execute(`ALTER ${noun(now)} ${name} OWNER TO ${identifier(from.owner)}`);
    now = await requireRelation(session, published);
  }
  const isSame = built.owner === from.owner && sameGrants(from.grants, built.grants);
  await carryGrants(session, from, now, name);
  if (isSame) return;
  const after = await requireRelation(session, published);
  if (after.owner !== from.owner || !sameGrants(from.grants, after.grants))
    throw cannotCarry('the owner and grants', published, new Error('they read differently after they were copied'));
}

/** After the old relation is gone: indexes and constraints that do the same get the old names back. */
export async function restoreNames(session: Queryable, from: RelationFacts, published: TableName): Promise<void> {
  if (from.constraints.length + from.indexes.length === 0) return;
  const now = await requireRelation(session, published);
  const taken = new Set([...now.constraints, ...now.indexes].map((item) => item.name));
  for (const old of from.constraints) {
    const twin = now.constraints.find((candidate) => sameConstraint(candidate, old));
    if (twin === undefined || twin.name === old.name || taken.has(old.name)) continue;
    await session.execute(
      `ALTER TABLE ${sqlName(published)} RENAME CONSTRAINT ${identifier(twin.name)} TO ${identifier(old.name)}`,
    );
  }
  for (const old of from.indexes) {
    const twin = now.indexes.find((candidate) => sameIndex(candidate, old));
    if (twin === undefined || twin.name === old.name || taken.has(old.name)) continue;
    const index = sqlName({ schema: published.schema, name: twin.name });
    await session.execute(`ALTER INDEX ${index} RENAME TO ${identifier(old.name)}`);
  }
}

async function requireRelation(session: Queryable, table: TableName): Promise<RelationFacts> {
  const facts = await describeRelation(session, table);
  if (facts === undefined) {
    throw new TerminalError('ELT_STAGE_MISSING', `Publishing ${shownName(table)} failed: no such table or view.`, {
      next: 'Run the step again, so that the stage is built anew.',
    });
  }
  return facts;
}

async function carryComments(
  session: Queryable,
  from: RelationFacts,
  now: RelationFacts,
  staged: TableName,
): Promise<void> {
  const name = sqlName(staged);
  if (from.comment !== null && now.comment === null)
    await session.execute(`COMMENT ON ${noun(now)} ${name} IS ${literal(from.comment)}`);
  for (const column of from.columns) {
    const twin = now.columns.find((candidate) => candidate.name === column.name);
    if (column.comment === null || twin === undefined || twin.comment !== null) continue;
    await session.execute(`COMMENT ON COLUMN ${name}.${identifier(column.name)} IS ${literal(column.comment)}`);
  }
  if (now.kind !== 'r' || [...from.constraints, ...from.indexes].every(({ comment }) => comment === null)) return;
  const built = await requireRelation(session, staged);
  for (const constraint of from.constraints) {
    const twin = built.constraints.find((candidate) => sameConstraint(candidate, constraint));
    if (constraint.comment === null || twin === undefined || twin.comment !== null) continue;
    await session.execute(
      `COMMENT ON CONSTRAINT ${identifier(twin.name)} ON ${name} IS ${literal(constraint.comment)}`,
    );
  }
  for (const index of from.indexes) {
    const twin = built.indexes.find((candidate) => sameIndex(candidate, index));
    if (index.comment === null || twin === undefined || twin.comment !== null) continue;
    const indexName = sqlName({ schema: staged.schema, name: twin.name });
    await session.execute(`COMMENT ON INDEX ${indexName} IS ${literal(index.comment)}`);
  }
}

function missingConstraints(from: RelationFacts, now: RelationFacts): ConstraintFacts[] {
  return from.constraints.filter(
    (old) =>
      !now.constraints.some((candidate) => sameConstraint(candidate, old)) &&
      // A stage with a primary key of its own has the last word: there can be only one.
      !(old.type === 'p' && now.constraints.some((candidate) => candidate.type === 'p')),
  );
}

function missingIndexes(from: RelationFacts, now: RelationFacts): IndexFacts[] {
  return from.indexes.filter((old) => !now.indexes.some((candidate) => sameIndex(candidate, old)));
}

function sameConstraint(left: ConstraintFacts, right: ConstraintFacts): boolean {
  return left.type === right.type && left.definition === right.definition;
}

function sameIndex(left: IndexFacts, right: IndexFacts): boolean {
  return left.unique === right.unique && left.definition === right.definition;
}

/** Check and foreign keys are named per table; the others own an index, whose name is per schema. */
function stageName(now: RelationFacts, constraint: ConstraintFacts): string {
  const isFree = !now.constraints.some((candidate) => candidate.name === constraint.name);
  return isFree && (constraint.type === 'c' || constraint.type === 'f')
    ? constraint.name
    : temporaryName(now, constraint.name);
}

/** At most 63 bytes and the same at every attempt. */
export function temporaryName(relation: Pick<RelationFacts, 'oid'>, name: string): string {
  let hash = 2166136261;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return `plumbline_${relation.oid}_${hash.toString(16)}`;
}

function keyOf(option: string): string {
  return option.slice(0, option.indexOf('='));
}

/** `security_barrier='true', fillfactor='70'` */
export function optionList(options: readonly string[]): string {
  return options.map((option) => `${keyOf(option)}=${literal(option.slice(option.indexOf('=') + 1))}`).join(', ');
}

function noun(relation: RelationFacts): string {
  return relation.kind === 'v' ? 'VIEW' : 'TABLE';
}

/** Data exceptions, violated constraints, unknown columns: the new rows or columns do not fit what is to be carried. */
function isStatementAtFault(error: unknown): error is Error {
  return error instanceof Error && /^(22|23|42|0A)/.test(postgresCode(error));
}

function cannotCarry(what: string, staged: TableName, cause: Error): TerminalError {
  return new TerminalError(
    'ELT_SWAP_CANNOT_CARRY',
    `Carrying ${what} over to the new ${shownName(staged)} failed: ${cause.message}.`,
    { cause, next: 'Drop it if it is no longer wanted, or change the SELECT so that it holds.' },
  );
}
