/** Intervals of a backfill at work; a source that bears more is asked with longer ones. */
export const MOST_PARALLEL = 32;
