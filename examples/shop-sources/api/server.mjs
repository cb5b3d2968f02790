// A small API of orders: a token, pages, and what changed since a time. `node api/server.mjs [port]`
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGE = 100;
const SKUS = ['tea', 'mug', 'pot'];

/** Order `id` of 250, one an hour. */
const order = (id) => ({
  id,
  customer_id: 1 + (id % 3),
  updated_at: new Date(Date.UTC(2025, 0, 1, id)).toISOString(),
});
const orders = Array.from({ length: 250 }, (_, index) => order(index + 1));
const itemsOf = (id) => [1, 2].map((line) => ({ id: `${id}-${line}`, sku: SKUS[(id + line) % 3], quantity: line, price: 4.5 * line })); // prettier-ignore

export function startShopApi({ port = 8790, token = 'secret' } = {}) {
  const server = createServer((request, response) => {
    const send = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)); // prettier-ignore
    if (request.headers.authorization !== `Bearer ${token}`) return send(401, { error: 'who are you?' });
    const url = new URL(request.url, 'http://shop');
    const id = /^\/orders\/(\d+)\/items$/.exec(url.pathname)?.[1];
    if (id !== undefined) return send(200, itemsOf(Number(id)));
    if (url.pathname !== '/orders') return send(404, { error: 'no such path' });
    const since = new Date(url.searchParams.get('updated_since') ?? 0);
    const page = Number(url.searchParams.get('page') ?? 1);
    const found = orders.filter(({ updated_at }) => new Date(updated_at) >= since);
    return send(200, { data: found.slice((page - 1) * PAGE, page * PAGE) });
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await startShopApi({ port: Number(process.argv[2] ?? 8790) });
  console.log(`the shop's API is at http://127.0.0.1:${server.address().port}`);
}
