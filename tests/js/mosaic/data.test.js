import { answers, json } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { parsePacket, Pictures, quartered } = await import('../../../static/mosaic/data.js');
const { setPictures } = await import('../../../static/basics/has_pictures.js');

// A packet as app/pictures/packets.py writes it.
function packet(header, sections = {}) {
  const placed = {};
  let offset = 0;
  for (const [name, codes] of Object.entries(sections)) { placed[name] = [offset, codes.length]; offset += 2 * codes.length; }
  let text = JSON.stringify({ ...header, sections: placed });
  text = text.padEnd(8 * Math.ceil(text.length / 8));
  const bytes = Buffer.concat([Buffer.from('TPIX'), Buffer.from(Uint32Array.of(text.length).buffer), Buffer.from(text),
    ...Object.values(sections).map(codes => Buffer.from(Uint16Array.from(codes).buffer))]);
  return new Uint8Array(bytes).buffer;
}

const picture = (camera = 'decam') => new Response(packet({ camera }, { pixels: [1] }));

test('a packet is its header and its sections', () => {
  const { header, pixels, blocks } = parsePacket(packet({ camera: 'decam', zero: -1.5 }, { pixels: [0, 1, 65535], blocks: [7] }));
  assert.equal(header.zero, -1.5);
  assert.deepEqual([...pixels], [0, 1, 65535]);
  assert.deepEqual([...blocks], [7]);
});

test('something else is no packet', () => {
  assert.throws(() => parsePacket(new TextEncoder().encode('<html> not a packet').buffer), /not a picture packet/);
  assert.throws(() => parsePacket(new ArrayBuffer(3)), /not a picture packet/);
});

test('a quarter averages what is recorded, four by four', () => {
  const codes = Uint16Array.from({ length: 36 }, (_, i) => (i % 6 < 4 && i < 24 ? 10 : 30));
  codes[0] = 0;          // blank: the mean of the others stays 10
  codes[1] = 25;         // 14 tens and a 25: 11
  const found = quartered(codes, 6, 6);
  assert.deepEqual([...found.codes], [11, 30, 30, 30]);
  assert.deepEqual([found.across, found.down, found.columns, found.rows], [2, 2, 1.5, 1.5]);
});

test('where nothing was recorded the quarter is blank', () => {
  assert.deepEqual([...quartered(new Uint16Array(32), 4, 8).codes], [0, 0]);
});

test('addresses carry the version of the pictures', () => {
  const pictures = new Pictures({ version: 'a b' });
  assert.equal(pictures.url('near/1.json'), 'picture/near/1.json?v=a+b');
  assert.equal(pictures.url('x', { w: 3 }), 'picture/x?w=3&v=a+b');
});

test('an exposure is fetched once, its camera once for all', async () => {
  const asked = answers(picture(), json({ ccds: [] }), picture());
  const pictures = new Pictures({ version: 'v1' });
  const [one, two] = await Promise.all([pictures.exposure(5), pictures.exposure(5)]);
  assert.equal(one, two);
  assert.deepEqual(one.geometry, { ccds: [] });
  await pictures.exposure(6);
  assert.deepEqual(asked.map(({ url }) => url), ['picture/mosaic/5.bin?v=v1', 'picture/geometry/decam.json?v=v1', 'picture/mosaic/6.bin?v=v1']);
  assert.equal(pictures.peek(5), one);
  assert.equal(pictures.peek(7), undefined);
});

test('ten are kept, those that were seen last', async () => {
  answers(picture(), json({}), ...Array.from({ length: 10 }, () => picture()));
  const pictures = new Pictures();
  for (let expnum = 1; expnum <= 10; expnum++) await pictures.exposure(expnum);
  await pictures.exposure(1);
  await pictures.exposure(11);
  assert.equal(pictures.peek(2), undefined);
  assert.ok(pictures.peek(1) && pictures.peek(3) && pictures.peek(11));
});

test('a picture of an earlier version is not kept', async () => {
  let release;
  answers(() => new Promise(resolve => { release = resolve; }), json({}));
  const pictures = new Pictures({ version: 'old' });
  const asked = pictures.exposure(5);
  await null;
  pictures.forget('new');
  release(picture());
  await asked;
  assert.equal(pictures.peek(5), undefined);
});

test('errors say whether it is worth asking again', async () => {
  answers(new TypeError('fetch failed'), new Response('503 the run is being made', { status: 503 }), new Response('404 no such exposure', { status: 404 }),
    new Response('<html>a page</html>', { status: 500, statusText: 'Broken' }));
  const pictures = new Pictures();
  await assert.rejects(pictures.exposure(1), { again: true, message: /no connection/ });
  await assert.rejects(pictures.exposure(1), { again: true, message: 'the run is being made' });
  await assert.rejects(pictures.exposure(1), { again: false, status: 404, message: 'no such exposure' });
  await assert.rejects(pictures.exposure(1), { message: 'the server answered 500 Broken' });
});

test('nobody asks for an exposure without pictures', async () => {
  const asked = answers();
  setPictures('-5');
  await assert.rejects(new Pictures().exposure(5), { none: true });
  setPictures('');
  assert.equal(asked.length, 0);
});

test('what is wanted comes in order, one at a time; a failure does not stop it', async () => {
  const asked = answers(picture(), json({}), new Response('', { status: 500 }), picture());
  const pictures = new Pictures();
  const loaded = [];
  pictures.onload = expnum => loaded.push(expnum);
  await pictures.prefetch([3, 4, 5]);
  assert.deepEqual(loaded, [3, 5]);
  assert.equal(asked.length, 4);
});

test('a later wish takes the place of an earlier one', async () => {
  answers(picture(), json({}), picture());
  const pictures = new Pictures();
  const loaded = [];
  pictures.onload = expnum => loaded.push(expnum);
  const first = pictures.prefetch([1, 2, 3]);
  pictures.prefetch([9]);
  await first;
  assert.deepEqual(loaded, [1, 9]);
});

test('a CCD comes with its quarter', async () => {
  answers(new Response(packet({ columns: 4, rows: 4 }, { pixels: new Array(16).fill(6) })));
  const { quarter } = await new Pictures().ccd(501);
  assert.deepEqual([...quarter.codes], [6]);
});

test('what is near is asked once, and again after a failure', async () => {
  const asked = answers(json({}, 500), json({ near: [{ expnum: 2 }] }));
  const pictures = new Pictures();
  await assert.rejects(pictures.near(1));
  assert.deepEqual(await pictures.near(1), [{ expnum: 2 }]);
  await pictures.near(1);
  assert.equal(asked.length, 2);
});
