import { TerminalError } from '../../errors.js';
import type { Queryable } from '../../model/database.js';
import { identifier, literal } from '../../model/sql-identifier.js';
import { carryGrants } from './carry-grants.js';
import { optionList } from './carry-properties.js';
import { describeRelation, type RelationFacts } from './describe-relation.js';
import { listDependents, type DependentView } from './list-dependents.js';
import { postgresCode } from './postgres-code.js';
import { shownName, sqlName } from './table-name.js';

interface SavedView {
  readonly view: DependentView;
  readonly facts: RelationFacts;
}

/**
 * How the views over a relation follow a swap. `redirect` keeps the views and points them at the new relation; it needs
 * equal column types. `recreate` drops each view with those over it and makes them anew, inner ones first.
 */
export type ViewPlan =
  | { readonly kind: 'redirect'; readonly views: readonly DependentView[] }
  | { readonly kind: 'recreate'; readonly chains: readonly (readonly SavedView[])[] };

/**
 * Decides and takes the views' locks. Outer views come first, the order in which a reader locks them, so that a swap
 * and a reader cannot wait for each other.
 */
export async function lockViews(
  session: Queryable,
  views: readonly DependentView[],
  isSameShape: boolean,
): Promise<ViewPlan> {
  if (isSameShape) {
    for (const view of views) await lockView(session, view);
    return { kind: 'redirect', views };
  }
  const saved = new Map<number, SavedView>();
  for (const view of (await viewsOverViews(session, views)).reverse()) {
    await lockView(session, view);
    const facts = await describeRelation(session, view);
    if (facts !== undefined) saved.set(view.oid, { view, facts });
  }
  const chains: SavedView[][] = [];
  for (const view of views)
    chains.push((await viewsOverViews(session, [view])).flatMap(({ oid }) => saved.get(oid) ?? []));
  return { kind: 'recreate', chains };
}

/**
 * Once the new relation has the old name: the same views over it, with owner, options, comments and grants as they
 * were. Never CASCADE. A view for which `mayLag` holds and that does not fit the new columns stays on the old relation,
 * with the views over it.
 *
 * @returns whether any view still reads the old relation
 */
export async function attachViews(
  session: Queryable,
  plan: ViewPlan,
  mayLag: (view: DependentView) => boolean,
): Promise<boolean> {
  if (plan.kind === 'redirect') {
    for (const view of plan.views) await create(session, view, 'CREATE OR REPLACE');
    return false;
  }
  let isOldRead = false;
  for (const chain of plan.chains) {
    await session.execute('SAVEPOINT chain');
    try {
      for (const { view } of [...chain].reverse()) await session.execute(`DROP VIEW ${sqlName(view)}`);
      for (const saved of chain) await recreate(session, saved);
    } catch (error) {
      const root = chain[0]?.view;
      if (!(error instanceof TerminalError) || root === undefined || !mayLag(root)) throw error;
      await session.execute('ROLLBACK TO SAVEPOINT chain');
      isOldRead = true;
    }
  }
  return isOldRead;
}

async function recreate(session: Queryable, { view, facts }: SavedView): Promise<void> {
  const name = sqlName(view);
  await create(session, view, 'CREATE');
  if (facts.comment !== null) await session.execute(`COMMENT ON VIEW ${name} IS ${literal(facts.comment)}`);
  for (const column of facts.columns) {
    const columnName = identifier(column.name);
    if (column.comment !== null)
      await session.execute(`COMMENT ON COLUMN ${name}.${columnName} IS ${literal(column.comment)}`);
    if (column.defaultSql !== null)
      await session.execute(`ALTER VIEW ${name} ALTER COLUMN ${columnName} SET DEFAULT ${column.defaultSql}`);
  }
  await session.execute(`ALTER VIEW ${name} OWNER TO ${identifier(facts.owner)}`);
  const now = await describeRelation(session, view);
  if (now !== undefined) await carryGrants(session, facts, now, name);
}

async function lockView(session: Queryable, view: DependentView): Promise<void> {
  // LOCK TABLE on a view would lock all that the view reads; giving the view the owner it has locks it alone.
  await session.execute(`ALTER VIEW ${sqlName(view)} OWNER TO ${identifier(view.owner)}`);
}

/** Inner views before those that read them. */
async function viewsOverViews(session: Queryable, roots: readonly DependentView[]): Promise<DependentView[]> {
  const order: DependentView[] = [];
  const seen = new Set<number>();
  // In front of all that was reached from it: reverse post-order is a topological order.
  const visit = async (view: DependentView): Promise<void> => {
    if (seen.has(view.oid)) return;
    seen.add(view.oid);
    const { views, others } = await listDependents(session, view.oid);
    if (others.length > 0) {
      throw new TerminalError(
        'ELT_SWAP_CANNOT_CARRY',
        `The new columns differ from the old, so view ${shownName(view)} would have to be made anew; ` +
          `that would lose what hangs on it: ${others.join('; ')}.`,
        { details: { view: shownName(view), obstacles: others }, next: 'Remove what is named, then run again.' },
      );
    }
    for (const outer of views) await visit(outer);
    order.unshift(view);
  };
  for (const root of roots) await visit(root);
  return order;
}

async function create(session: Queryable, view: DependentView, verb: string): Promise<void> {
  const options = view.options.length === 0 ? '' : ` WITH (${optionList(view.options)})`;
  try {
    await session.execute(`${verb} VIEW ${sqlName(view)}${options} AS ${view.definition}`);
  } catch (cause) {
    if (!(cause instanceof Error) || !/^(42|0A)/.test(postgresCode(cause))) throw cause;
    throw new TerminalError(
      'ELT_SWAP_CANNOT_CARRY',
      `View ${shownName(view)} reads the table and does not fit its new columns: ${cause.message}.`,
      {
        cause,
        details: { view: shownName(view) },
        next: `Change or drop view ${shownName(view)}, or keep the column as it was.`,
      },
    );
  }
}
