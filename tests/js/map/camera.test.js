import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Camera, tilted } = await import('../../../static/map/camera.js');

const near = (found, wanted, within = 1e-9) => found.forEach((value, k) => assert.ok(Math.abs(value - wanted[k]) < within, `${found} is not ${wanted}`));

function camera(width = 800, height = 600) {
  const made = new Camera();
  made.resize(width, height);
  made.reset();
  made.snap();
  return made;
}

// Place on the map under a place of the screen, as the head of camera.js says.
const under = ({ width, height, goal }, x, y) => [(x - width / 2 - goal.offset[0]) / goal.scale, (height / 2 + goal.offset[1] - y) / goal.scale];

test('the whole map fits between its margins of 28 pixels', () => {
  const made = camera();
  assert.equal(made.fitScale(2), 272);
  made.setHalf(2, [0.5, 1]);
  assert.equal(made.fitScale(2), 272);
  made.setHalf(2, [1, 0.5]);
  assert.equal(made.fitScale(2), 372);
  near([made.fitScale(3)], [0.92 * 272]);
});

test('a zoom keeps what is under the cursor', () => {
  const made = camera();
  made.zoomAt(2, 100, 450);
  const before = under(made, 100, 450);
  made.zoomAt(1.7, 100, 450);
  near(under(made, 100, 450), before);
  near([made.goal.scale], [272 * 2 * 1.7]);
});

test('a zoom ends at 400 times and at 0.4 times the whole map', () => {
  const made = camera();
  made.zoomAt(1e9, 0, 0);
  near([made.goal.scale], [400 * 272]);
  made.zoomAt(1e-9, 0, 0);
  near([made.goal.scale], [0.4 * 272]);
});

test('a drag moves at once, a zoom in steps that end', () => {
  const made = camera();
  made.panBy(7, -3);
  assert.deepEqual(made.offset, [7, -3]);
  assert.equal(made.moving, false);
  made.zoomAt(3, 400, 300);
  assert.equal(made.moving, true);
  assert.equal(made.step(16), true);
  assert.ok(made.scale > 272 && made.scale < 3 * 272);
  let steps = 0;
  while (made.step(16)) assert.ok(++steps < 200, 'it never ends');
  assert.equal(made.scale, made.goal.scale);
  near(made.offset, [21, -9]);
});

test('while a zoom goes on, the place under the cursor stays under it', () => {
  const made = camera();
  const place = () => [(100 - 400 - made.offset[0]) / made.scale, (300 + made.offset[1] - 500) / made.scale];
  const before = place();
  made.zoomAt(4, 100, 500);
  made.step(30);
  near(place(), before, 1e-6);
});

test('a new size keeps the zoom', () => {
  const made = camera();
  made.zoomAt(2, 400, 300);
  made.snap();
  made.resize(1000, 856);
  near([made.scale], [2 * 400]);
  near([made.zoom], [2]);
});

test('going to the solid map takes 450 ms', () => {
  const made = camera();
  made.setDims(3);
  made.step(225);
  near([made.morph], [0.5]);
  made.step(224);
  assert.ok(made.morph < 1);
  made.step(2);
  assert.equal(made.morph, 1);
});

test('whoever wants no motion has none', () => {
  const made = camera();
  made.still = true;
  made.setDims(3);
  assert.equal(made.morph, 1);
  assert.equal(made.moving, false);
});

test('a quarter turn about the axes of the screen', () => {
  near(tilted(0, 0), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  // about y by 90 degrees: what pointed at the right now points away from the eye
  near(tilted(0, Math.PI / 2).slice(0, 3), [0, 0, -1]);
  // about x by 90 degrees: what pointed up now points at the eye
  near(tilted(Math.PI / 2, 0).slice(3, 6), [0, 0, 1]);
});

test('however often it is turned, it stays a rotation', () => {
  const made = camera();
  for (let k = 0; k < 500; k++) made.rotateBy(13, -7);
  const [a, b, c] = [0, 3, 6].map(from => made.rotation.slice(from, from + 3));
  const dot = (p, q) => p.reduce((sum, value, k) => sum + value * q[k], 0);
  near([dot(a, a), dot(b, b), dot(c, c), dot(a, b), dot(a, c), dot(b, c)], [1, 1, 1, 0, 0, 0], 1e-12);
});
