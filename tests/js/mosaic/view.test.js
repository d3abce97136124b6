import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as place from '../../../static/mosaic/view.js';

const UPRIGHT = { column: [1, 0, 0], row: [0, 1, 0] };
const TURNED = { column: [0, 1, 0], row: [1, 0, 0] };
const FLIPPED = { column: [-1, 0, 1], row: [0, 1, 0] };

const slot = (ccdname, x0, y0, width = 200, height = 100) => ({ ccdname, x0, y0, width, height });

// Four slots of 200 x 100 in two rows on a canvas of 400 x 200.
const GEOMETRY = { canvas: [400, 200], orientation: UPRIGHT, ccds: [slot('A', 0, 0), slot('B', 200, 0), slot('C', 0, 100), slot('D', 200, 100)] };

const header = (...ccds) => ({ ccds: ccds.map(([ccdname, columns, rows]) => ({ ccdname, columns, rows })) });
const rects = picture => Object.fromEntries(place.placed(picture).map(ccd => [ccd.ccdname, ccd.rect]));
const near = (found, wanted) => found.forEach((value, k) => assert.ok(Math.abs(value - wanted[k]) < 1e-9, `${found} is not ${wanted}`));

test('a camera whose columns run down the sky is transposed', () => {
  assert.deepEqual(place.skySize({ orientation: UPRIGHT }, 20, 10), [20, 10]);
  assert.deepEqual(place.skySize({ orientation: TURNED }, 20, 10), [10, 20]);
});

test('an orientation as a matrix, column by column', () => {
  assert.deepEqual([...place.orientationMatrix(FLIPPED)], [-1, 0, 0, 0, 1, 0, 1, 0, 1]);
});

test('CCDs fill their slots; those that the camera does not have are left out', () => {
  assert.deepEqual(rects({ geometry: GEOMETRY, header: header(['A', 2000, 1000], ['D', 2000, 1000], ['F1', 9, 9]) }), { A: [0, 0, 200, 100], D: [200, 100, 200, 100] });
});

test('a CCD that is cut by the edge lies towards the middle of the camera', () => {
  const found = rects({ geometry: GEOMETRY, header: header(['A', 1000, 1000], ['B', 1000, 1000], ['C', 2000, 500], ['D', 2000, 1000]) });
  assert.deepEqual(found, { A: [100, 0, 100, 100], B: [200, 0, 100, 100], C: [0, 100, 200, 50], D: [200, 100, 200, 100] });
});

test('a cut-out keeps its shape in the middle of the slot', () => {
  assert.deepEqual(rects({ geometry: GEOMETRY, header: header(['A', 500, 500]) }), { A: [50, 0, 100, 100] });
});

test('an exposure with less than half of the CCDs is shown alone', () => {
  const few = place.placed({ geometry: GEOMETRY, header: header(['B', 2000, 1000]) });
  assert.equal(place.isPart(GEOMETRY, few), true);
  assert.deepEqual(place.wholeOf(GEOMETRY, few), [200, 0, 200, 100]);
  const half = place.placed({ geometry: GEOMETRY, header: header(['B', 2000, 1000], ['C', 2000, 1000]) });
  assert.equal(place.isPart(GEOMETRY, half), false);
  assert.deepEqual(place.wholeOf(GEOMETRY, half), [0, 0, 400, 200]);
  assert.equal(place.isPart(GEOMETRY, []), false);
});

test('a rectangle fits between the insets', () => {
  // 420 - 10 - 10 wide, 260 - 40 - 20 high: half a pixel for one in height, one in width; the smaller counts
  const view = place.fit([0, 0, 400, 400], 420, 260, [40, 10, 20, 10]);
  assert.equal(view.scale, 0.5);
  near(place.toScreen(view, 0, 0, 420, 260), [210 - 100, 40]);
  near(place.toScreen(view, 400, 400, 420, 260), [310, 240]);
});

test('from the screen to the canvas and back', () => {
  const view = { x: 100, y: 50, scale: 2 };
  assert.deepEqual(place.toCanvas(view, 0, 0, 400, 200), [0, 0]);
  assert.deepEqual(place.toScreen(view, 150, 40, 400, 200), [300, 80]);
});

test('a zoom keeps what is under the pointer, within its range', () => {
  const view = { x: 100, y: 50, scale: 2 };
  const before = place.toCanvas(view, 37, 180, 400, 200);
  const zoomed = place.zoomed(view, 1.5, 37, 180, 400, 200, [0.1, 100]);
  assert.equal(zoomed.scale, 3);
  near(place.toCanvas(zoomed, 37, 180, 400, 200), before);
  assert.equal(place.zoomed(view, 1000, 0, 0, 400, 200, [0.1, 8]).scale, 8);
  assert.equal(place.zoomed(view, 0.001, 0, 0, 400, 200, [0.1, 8]).scale, 0.1);
});

test('the middle stays on the rectangle', () => {
  assert.deepEqual(place.kept({ x: -10, y: 500, scale: 1 }, [0, 0, 400, 200]), { x: 0, y: 200, scale: 1 });
  assert.deepEqual(place.kept({ x: 5, y: 6, scale: 1 }, [0, 0, 400, 200]), { x: 5, y: 6, scale: 1 });
});

test('which CCD lies under a point; a common edge belongs to one of them', () => {
  const ccds = place.placed({ geometry: GEOMETRY, header: header(['A', 2000, 1000], ['B', 2000, 1000]) });
  assert.equal(place.under(ccds, 199.9, 50).ccdname, 'A');
  assert.equal(place.under(ccds, 200, 50).ccdname, 'B');
  assert.equal(place.under(ccds, 100, 100), undefined);
});

test('the pixel at a point, by the orientation of the camera', () => {
  const rect = [200, 0, 200, 100];
  assert.deepEqual(place.pixelAt({ orientation: UPRIGHT }, rect, 2000, 1000, 250, 10), [500, 100]);
  assert.deepEqual(place.pixelAt({ orientation: FLIPPED }, rect, 2000, 1000, 250, 10), [1500, 100]);
  assert.deepEqual(place.pixelAt({ orientation: TURNED }, rect, 1000, 2000, 250, 10), [100, 500]);
  assert.deepEqual(place.pixelAt({ orientation: UPRIGHT }, rect, 2000, 1000, 400, 100), [1999, 999]);
});

test('arrows go to the nearest CCD that lies more that way than beside it', () => {
  const ccds = place.placed({ geometry: GEOMETRY, header: header(...['A', 'B', 'C', 'D'].map(name => [name, 2000, 1000])) });
  assert.equal(place.neighbour(ccds, 'A', 'ArrowRight'), 'B');
  assert.equal(place.neighbour(ccds, 'A', 'ArrowDown'), 'C');
  assert.equal(place.neighbour(ccds, 'D', 'ArrowUp'), 'B');
  assert.equal(place.neighbour(ccds, 'D', 'ArrowLeft'), 'C');
  assert.equal(place.neighbour(ccds, 'A', 'ArrowUp'), 'A');
  assert.equal(place.neighbour(ccds, 'B', 'ArrowRight'), 'B');
});

test('an arrow does not go to a CCD that lies mostly beside it', () => {
  const ccds = [['A', 0, 0], ['E', 200, 200]].map(([ccdname, x, y]) => ({ ccdname, rect: [x, y, 200, 100] }));
  assert.equal(place.neighbour(ccds, 'A', 'ArrowRight'), 'A');
  assert.equal(place.neighbour(ccds, 'A', 'ArrowDown'), 'E');
});

test('the first arrow finds the most central CCD', () => {
  const ccds = ['A', 'M', 'B'].map((ccdname, k) => ({ ccdname, rect: [200 * k, 0, 200, 100] }));
  assert.equal(place.neighbour(ccds, '', 'ArrowRight'), 'M');
});
