import { describe, expect, it } from 'vitest';
import { selectStream, UnknownStream } from '../../../src/elt/singer/select-stream.js';

const catalog = JSON.stringify({
  version: 1,
  streams: [
    {
      tap_stream_id: 'db-orders',
      stream: 'orders',
      schema: { type: 'object' },
      metadata: [
        { breadcrumb: ['properties', 'id'], metadata: { inclusion: 'automatic' } },
        { breadcrumb: ['properties', 'note'], metadata: { inclusion: 'available', selected: false } },
        { breadcrumb: ['properties', 'blob'], metadata: { inclusion: 'unsupported' } },
        { breadcrumb: ['properties', 'extra'], metadata: { 'selected-by-default': false } },
        { breadcrumb: [], metadata: { 'table-key-properties': ['id'], selected: false } },
      ],
    },
    { tap_stream_id: 'db-users', stream: 'users', selected: true },
  ],
});
const select = (stream: string, allProperties: boolean): { streams: Record<string, unknown>[] } =>
  JSON.parse(
    selectStream(catalog, stream, { metadata: { 'replication-method': 'FULL_TABLE' }, allProperties }).catalog,
  ) as { streams: Record<string, unknown>[] };

describe('selectStream', () => {
  it('selects one stream and leaves the others in, not selected', () => {
    const { streams } = select('db-orders', true);
    expect(streams.map(({ selected }) => selected)).toEqual([true, false]);
    expect(streams[0]!['metadata']).toEqual([
      {
        breadcrumb: [],
        metadata: { 'table-key-properties': ['id'], selected: true, 'replication-method': 'FULL_TABLE' },
      },
      { breadcrumb: ['properties', 'id'], metadata: { inclusion: 'automatic', selected: true } },
      { breadcrumb: ['properties', 'note'], metadata: { inclusion: 'available', selected: false } },
      { breadcrumb: ['properties', 'blob'], metadata: { inclusion: 'unsupported' } },
      { breadcrumb: ['properties', 'extra'], metadata: { 'selected-by-default': false } },
    ]);
    expect(streams[1]!['metadata']).toEqual([{ breadcrumb: [], metadata: { selected: false } }]);
  });

  it("leaves the properties of a user's own catalog as they are", () => {
    const [orders] = select('orders', false).streams;
    expect((orders!['metadata'] as unknown[])[1]).toEqual({ breadcrumb: ['properties', 'id'], metadata: { inclusion: 'automatic' } }); // prettier-ignore
  });

  it('selects chosen properties with keys and what a load needs, and no others', () => {
    const options = { metadata: {}, allProperties: true, select: ['no*'], needed: ['extra'] };
    const { catalog: chosen, always } = selectStream(catalog, 'orders', options);
    expect(always).toEqual(['id', 'extra']);
    const [orders] = (JSON.parse(chosen) as { streams: { metadata: unknown[] }[] }).streams;
    expect(orders!.metadata.slice(1)).toEqual([
      { breadcrumb: ['properties', 'id'], metadata: { inclusion: 'automatic', selected: true } },
      { breadcrumb: ['properties', 'note'], metadata: { inclusion: 'available', selected: true } },
      { breadcrumb: ['properties', 'blob'], metadata: { inclusion: 'unsupported', selected: false } },
      { breadcrumb: ['properties', 'extra'], metadata: { 'selected-by-default': false, selected: true } },
    ]);
    expect(() => selectStream(catalog, 'orders', { ...options, select: ['!extra'] })).toThrow(
      /"extra" cannot be left out/,
    );
  });

  it('knows the names that messages may give the stream', () => {
    expect(selectStream(catalog, 'orders', { metadata: {}, allProperties: true }).names).toEqual([
      'orders',
      'db-orders',
    ]);
  });

  it('refuses a stream that is not there, or there twice, and what is no catalog', () => {
    const options = { metadata: {}, allProperties: true };
    expect(() => selectStream(catalog, 'order', options)).toThrow(UnknownStream);
    const twice = JSON.stringify({ streams: [{ tap_stream_id: 'a-x', stream: 'x' }, { tap_stream_id: 'b-x', stream: 'x' }] }); // prettier-ignore
    expect(() => selectStream(twice, 'x', options)).toThrow(UnknownStream);
    expect(() => selectStream('{"type":"SCHEMA"}', 'x', options)).toThrow('it has no list of "streams"');
  });
});
