/** Column that holds which version of a table a row belongs to, of taps that tell: Meltano's name for it. */
export const TABLE_VERSION = '_sdc_table_version';
