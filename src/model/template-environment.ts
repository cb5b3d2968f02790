import nunjucks from 'nunjucks';

// Not cached by name: two files may share one. No loader: a template cannot read files.
export const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });
