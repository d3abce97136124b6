import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Camera } = await import('../../../static/map/camera.js');
const { contains, regionOf, takeInside, textOfImages, textOfRegion } = await import('../../../static/map/region.js');

const ALL = new Uint8Array(256).fill(1);

// 512 x 512 pixels, 256 to the map's unit, so that a region's unit is 1/1024.
function camera(dims = 2) {
  return Object.assign(new Camera(), { width: 512, height: 512, scale: 256, offset: [0, 0], dims, morph: dims - 2, rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1] });
}

const SQUARE = [[256, 256], [512, 256], [512, 0], [256, 0]];   // the upper right quarter of the map

function taken(region, flat, codes = new Uint8Array(flat.length / 2), shown = ALL) {
  const bytes = new Uint8Array(flat.length / 2);
  const count = takeInside({ flat: Uint16Array.from(flat), codes }, region, shown, 0, bytes.length, bytes);
  assert.equal(count, bytes.reduce((sum, one) => sum + one, 0));
  return [...bytes];
}

test('an outline is kept in whole units of the map', () => {
  const region = regionOf(camera(), SQUARE);
  assert.deepEqual([region.k, region.unit], [10, 1024]);
  assert.deepEqual(region.corners.map(corner => corner.map(value => value + 0)), [[0, 0], [1024, 0], [1024, 1024], [0, 1024]]);
});

test('an outline as text, worked out by hand', () => {
  // zigzag of the differences: 0 0 2048 0 0 2048 2047 0
  assert.equal(textOfRegion(regionOf(camera(), SQUARE), 'replace', null), 'r.2.10.AACAEAAAgBD_DwA');
  assert.equal(textOfRegion(regionOf(camera(), SQUARE), 'subtract', { colourBy: 'reason', labels: [] }), 's.2.10.AACAEAAAgBD_DwA');
});

test('the classes that it is restricted to are quoted twice', () => {
  const text = textOfRegion(regionOf(camera(), SQUARE), 'add', { colourBy: 'reason', labels: ['a.b', 'c|d'] });
  assert.equal(text, 'a.2.10.AACAEAAAgBD_DwA.f.reason%3Aa%252Eb%7Cc%257Cd');
});

test('in 3-D the rotation comes along as nine small numbers', () => {
  const text = textOfRegion(regionOf(camera(3), SQUARE), 'replace', null);
  const bytes = Buffer.from(text.split('.')[4], 'base64url');
  assert.deepEqual(Array.from({ length: 9 }, (_, k) => bytes.readInt16LE(2 * k)), [32767, 0, 0, 0, 32767, 0, 0, 0, 32767]);
});

test('single images as text keep their order', () => {
  assert.equal(textOfImages([1, 3, 2], 'add'), 'a.i.AgQB');           // zigzag of +1 +2 -1: 2 4 1
  assert.equal(textOfImages([90000304], 'replace'), 'r.i.4K7qVQ');
});

test('a C does not hold what lies in its mouth', () => {
  const outline = [[20, 20], [480, 20], [480, 170], [170, 170], [170, 340], [480, 340], [480, 480], [20, 480]];
  const region = regionOf(camera(), outline);
  const inside = (x, y) => contains(region, (x - 256) * 4, (256 - y) * 4);
  assert.equal(inside(100, 256), true);
  assert.equal(inside(300, 100), true);
  assert.equal(inside(300, 256), false);
  assert.equal(inside(300, 400), true);
  assert.equal(inside(500, 100), false);
});

test('what an outline goes round twice is outside', () => {
  const star = [[256, 20], [400, 450], [30, 180], [480, 180], [110, 450]];
  const region = regionOf(camera(), star);
  assert.equal(contains(region, 0, 0), false);
  assert.equal(contains(region, 0, 4 * (256 - 60)), true);
});

test('the cells of a region answer as its edges do', () => {
  const outline = Array.from({ length: 40 }, (_, k) => {
    const radius = k % 2 ? 230 : 90;
    return [256 + radius * Math.cos(k * Math.PI / 20), 256 + radius * Math.sin(k * Math.PI / 20)];
  });
  const region = regionOf(camera(), outline);
  const { corners } = region;
  const evenOdd = (x, y) => corners.reduce((odd, [ax, ay], i) => {
    const [bx, by] = corners[(i + 1) % corners.length];
    return (ay > y) !== (by > y) && x < ax + (bx - ax) * (y - ay) / (by - ay) ? !odd : odd;
  }, false);
  let inside = 0;
  for (let x = -1001; x < 1024; x += 37) {
    for (let y = -1003; y < 1024; y += 41) {
      assert.equal(contains(region, x, y), evenOdd(x, y), `${x} ${y}`);
      inside += evenOdd(x, y);
    }
  }
  assert.ok(inside > 300);
});

test('vertices on a straight line are left out', () => {
  const outline = [];
  for (let x = 100; x < 400; x += 3) outline.push([x, 100]);
  for (let y = 100; y <= 400; y += 3) outline.push([400, y]);
  outline.push([100, 400]);
  assert.deepEqual(regionOf(camera(), outline).corners, [[-624, 624], [576, 624], [576, -576], [-624, -576]]);
});

test('points inside on the flat map', () => {
  const region = regionOf(camera(), SQUARE);
  assert.deepEqual(taken(region, [40000, 40000, 20000, 40000, 40000, 20000, 64000, 33000, 65535, 65535]), [1, 0, 0, 1, 0]);
});

test('only points of the classes that are shown', () => {
  const shown = new Uint8Array(256);
  shown[7] = 1;
  assert.deepEqual(taken(regionOf(camera(), SQUARE), [40000, 40000, 40000, 40000], Uint8Array.of(7, 8), shown), [1, 0]);
});

test('on the solid map everything behind the outline', () => {
  const region = regionOf(camera(3), SQUARE);
  const bytes = new Uint8Array(5);
  const solid = Uint16Array.of(40000, 40000, 0, 40000, 40000, 65000, 20000, 40000, 32500, 65535, 0, 0, 60000, 60000, 65000);
  const count = takeInside({ solid, codes: new Uint8Array(5) }, region, ALL, 0, 5, bytes);
  // the last one is so near to the eye that it is seen beside the outline
  assert.deepEqual([count, ...bytes], [2, 1, 1, 0, 0, 0]);
});
