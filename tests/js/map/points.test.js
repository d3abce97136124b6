import { answers } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Camera } = await import('../../../static/map/camera.js');
const { PointSet } = await import('../../../static/map/points.js');

// A camera of 200 x 100 pixels with 40 pixels to the map's unit, looking straight at the solid map.
function camera(morph = 0) {
  const made = new Camera();
  return Object.assign(made, { width: 200, height: 100, scale: 40, offset: [5, -10], morph, dims: morph ? 3 : 2, rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1] });
}

function setOf(flat, solid) {
  const n = flat.length / 2;
  const set = new PointSet({ n, flat: { url: '/flat', half: [1, 0.5] }, solid: solid ? { url: '/solid', half: [1, 1, 1] } : null, ids: '/ids', ccdnames: { 1: 'S29' } });
  set.flat = Uint16Array.from(flat);
  set.arrived[2] = n;
  if (solid) { set.solid = Uint16Array.from(solid); set.arrived[3] = n; }
  return set;
}

function projected(set, view, i) {
  const out = new Float32Array(3);
  set.project(view, i, i + 1, out);
  return [...out];
}

const pieces = (...chunks) => new Response(new ReadableStream({
  start(controller) { for (const chunk of chunks) controller.enqueue(Uint8Array.from(chunk)); controller.close(); },
}));

test('a flat place on the screen: x to the right, y up, from the middle', () => {
  const set = setOf([32500, 32500, 65000, 65000, 0, 48750]);
  assert.deepEqual(projected(set, camera(), 0), [105, 40, 0]);
  assert.deepEqual(projected(set, camera(), 1), [145, 0, 0]);
  assert.deepEqual(projected(set, camera(), 2), [65, 20, 0]);
});

test('a solid place nearer to the eye is farther from the middle', () => {
  const set = setOf([0, 0, 0, 0], [65000, 32500, 32500, 65000, 32500, 65000]);
  assert.deepEqual(projected(set, camera(1), 0), [145, 40, 0]);
  const [x, , nearness] = projected(set, camera(1), 1);
  assert.equal(nearness, 1);
  assert.ok(Math.abs(x - (105 + 40 * 3.6 / 2.6)) < 1e-4);
});

test('on the way from flat to solid it is in between', () => {
  const set = setOf([0, 32500], [65000, 32500, 32500]);
  assert.deepEqual(projected(set, camera(0.25), 0), [105 - 20, 40, 0]);
  set.solid[2] = 65000;
  assert.equal(projected(set, camera(0.25), 0)[2], 0.25);
});

test('what is nowhere or not here yet has no place', () => {
  const set = setOf([65535, 65535, 100, 100]);
  assert.ok(Number.isNaN(projected(set, camera(), 0)[2]));
  set.arrived[2] = 1;
  assert.ok(Number.isNaN(projected(set, camera(), 1)[2]));
});

test('points come in pieces that may break in the middle of one', async () => {
  const asked = answers(pieces([1, 0, 2, 0, 3], [0, 4, 0], [5, 0, 6, 0]));
  const set = new PointSet({ n: 3, flat: { url: '/flat' }, ccdnames: {} });
  const heard = [];
  await set.load(2, (from, to) => heard.push([from, to]));
  assert.deepEqual(heard, [[0, 1], [1, 2], [2, 3]]);
  assert.deepEqual([...set.flat], [1, 2, 3, 4, 5, 6]);
  await set.load(2, () => assert.fail('asked twice'));
  assert.equal(asked.length, 1);
});

test('too few and too many points are said, and may be asked for again', async () => {
  answers(pieces([1, 0, 2, 0]), pieces([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]), new Response('no', { status: 500 }));
  const set = new PointSet({ n: 2, flat: { url: '/flat' }, ccdnames: {} });
  await assert.rejects(set.load(2, () => {}), /1 of 2 points arrived/);
  await assert.rejects(set.load(2, () => {}), /more points than expected/);
  await assert.rejects(set.load(2, () => {}), /HTTP 500/);
});

test('numbers of exposures come first, then those of CCDs', async () => {
  answers(pieces([0xd2, 0x02, 0x96, 0x49, 7, 0], [0, 0, 1, 61]));
  const set = new PointSet({ n: 2, ids: '/ids', ccdnames: { 1: 'S29' } });
  assert.equal(set.name(0), '');
  assert.equal(set.imageId(0), -1);
  await set.loadIds();
  assert.deepEqual([...set.expnum], [1234567890, 7]);
  assert.deepEqual([...set.ccdnum], [1, 61]);
  assert.equal(set.name(0), '1234567890-S29');
  assert.equal(set.name(1), '7-61');
  assert.equal(set.imageId(1), 761);
});

test('points of an exposure, and of one of its CCDs', () => {
  const set = setOf([0, 0, 1, 1, 2, 2, 3, 3]);
  assert.deepEqual([...set.indicesOf(8)], []);
  set.expnum = Uint32Array.of(8, 9, 8, 9);
  set.ccdnum = Uint8Array.of(1, 1, 2, 3);
  assert.deepEqual([...set.indicesOf(8)], [0, 2]);
  assert.deepEqual([...set.indicesOf(9, 3)], [3]);
  assert.deepEqual([...set.indicesOf(-1)], []);
  assert.equal(set.indexOf(802), 2);
  assert.equal(set.indexOf(804), -1);
});

test('only what has its place and its colour can be drawn', () => {
  const set = setOf([0, 0, 0, 0, 0, 0, 0, 0], new Array(12).fill(0));
  assert.equal(set.drawable(camera()), 4);
  set.arrived[3] = 2;
  assert.equal(set.drawable(camera()), 4);
  assert.equal(set.drawable(camera(0.5)), 2);
  set.coloured = 1;
  assert.equal(set.drawable(camera(0.5)), 1);
});

test('which maps there are, and how large', () => {
  const set = setOf([0, 0]);
  assert.deepEqual([set.has(2), set.has(3)], [true, false]);
  assert.deepEqual([set.half(2), set.half(3)], [[1, 0.5], [1, 1, 1]]);
});
