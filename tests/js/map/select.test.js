import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Camera } = await import('../../../static/map/camera.js');
const { PointSet } = await import('../../../static/map/points.js');
const { regionOf } = await import('../../../static/map/region.js');
const { applySelection, countByCode, insideRegion, inSlices, nearest, selectedIndices } = await import('../../../static/map/select.js');

function camera(dims = 2) {
  return Object.assign(new Camera(), { width: 200, height: 200, scale: 100, offset: [0, 0], dims, morph: dims - 2, rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1] });
}

// Points by their place on the screen of that camera.
function setOf(places) {
  const set = new PointSet({ n: places.length, ccdnames: {} });
  set.flat = Uint16Array.from(places.flatMap(([x, y]) => [x * 325, (200 - y) * 325]));
  set.arrived[2] = places.length;
  set.codes = new Uint8Array(places.length);
  return set;
}

function found(steps) {
  for (;;) { const step = steps.next(); if (step.done) return step.value; }
}

test('the nearest point within reach', () => {
  const set = setOf([[20, 20], [30, 20], [100, 100]]);
  assert.equal(found(nearest(set, camera(), 24, 20, 8)), 0);
  assert.equal(found(nearest(set, camera(), 26, 20, 8)), 1);
  assert.equal(found(nearest(set, camera(), 103, 104, 5.1)), 2);
  assert.equal(found(nearest(set, camera(), 103, 104, 4.9)), -1);
  assert.equal(found(nearest(set, camera(), 60, 60, 8)), -1);
});

test('points of classes that are not shown are not found', () => {
  const set = setOf([[20, 20], [25, 20]]);
  set.codes.set([3, 4]);
  const shown = new Uint8Array(256);
  shown[4] = 1;
  assert.equal(found(nearest(set, camera(), 20, 20, 8, shown)), 1);
});

test('of two points under the cursor the one in front is taken', () => {
  const set = new PointSet({ n: 3, ccdnames: {} });
  set.solid = Uint16Array.of(32500, 32500, 10000, 32500, 32500, 50000, 32500, 32500, 30000);
  set.arrived[3] = 3;
  set.codes = new Uint8Array(3);
  assert.equal(found(nearest(set, camera(3), 100, 100, 8)), 1);
});

test('what has not arrived is not found', () => {
  const set = setOf([[20, 20], [22, 20]]);
  set.arrived[2] = 1;
  assert.equal(found(nearest(set, camera(), 22, 20, 8)), 0);
});

test('bytes of a region', () => {
  const set = setOf([[20, 20], [150, 50], [150, 150]]);
  const region = regionOf(camera(), [[100, 0], [199, 0], [199, 99], [100, 99]]);
  assert.deepEqual([...found(insideRegion(set, region))], [0, 1, 0]);
});

test('selection bits by indices and by bytes', () => {
  const state = new Uint8Array(5);
  assert.equal(applySelection(state, [1, 3], 'replace'), 2);
  assert.equal(applySelection(state, Uint8Array.of(0, 0, 0, 1, 1), 'add'), 3);
  assert.deepEqual([...state], [0, 1, 0, 1, 1]);
  assert.equal(applySelection(state, Uint8Array.of(0, 1, 0, 0, 0), 'subtract'), 2);
  assert.deepEqual([...selectedIndices(state, 2)], [3, 4]);
  assert.equal(applySelection(state, Uint32Array.of(0), 'replace'), 1);
  assert.equal(applySelection(state, [], 'replace'), 0);
});

test('how many selected points have each code', () => {
  const counts = countByCode(Uint8Array.of(1, 0, 1, 1), Uint8Array.of(2, 2, 2, 9));
  assert.deepEqual([counts[2], counts[9], counts[0], counts.length], [2, 1, 0, 256]);
});

test('few points are searched at once, many in turns', async () => {
  function* work(turns) { for (let k = 0; k < turns; k++) yield; return 'done'; }
  assert.equal(inSlices(10, work(3)), 'done');
  const many = inSlices(1_000_000, work(3));
  assert.ok(many instanceof Promise);
  assert.equal(await many, 'done');
});

test('a search that nobody wants any more is given up', async () => {
  let turns = 0;
  function* work() { for (;;) { turns++; yield; } }
  assert.equal(await inSlices(1_000_000, work(), () => turns >= 5), undefined);
  assert.equal(turns, 5);
});
