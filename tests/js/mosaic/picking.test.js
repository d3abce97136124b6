import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { MosaicPicking } = await import('../../../static/mosaic/picking.js');

// Two CCDs of 200 x 100 in one row and one below, seen pixel by pixel; the preview has 2 x 1 pixels for each.
function mosaic(options = {}) {
  const names = ['A', 'B', 'C'];
  const ccds = names.map((ccdname, k) => ({
    ccdname, image_id: 501 + k, layer: k, columns: 2000, rows: 1000, nx: 2, ny: 1, sky: 100 + k, sigma: 4,
    rect: [200 * (k % 2), 100 * (k >> 1), 200, 100], slot: { row: 1 + (k >> 1) },
  }));
  const header = { columns: 2, rows: 1, zero: 10, step: 2, sky: 90, sigma: 8, unit: 'ADU', ccds };
  const made = Object.assign(new MosaicPicking(), {
    expnum: 5, ccds, geometry: { orientation: { column: [1, 0, 0], row: [0, 1, 0] } },
    picture: { header, pixels: Uint16Array.of(50, 60, 70, 0, 51, 52) }, view: { x: 200, y: 100, scale: 1 }, width: 400, height: 200,
    options: { stretch: 'stars', scaleMode: 'all', ...options }, opened: null, other: null, ticked: new Set(), masks: { labelsAt: () => [] },
    listeners: { pick: new Set(), tick: new Set(), change: new Set() },
  });
  return made;
}

test('what lies under a point: CCD, pixel and value', () => {
  const { ccd, column, row, value, sigmas, unit } = mosaic().probe(150, 25);
  assert.deepEqual([ccd.ccdname, column, row, value, sigmas, unit], ['A', 1500, 250, 130, 5, 'ADU']);
  assert.equal(mosaic().probe(300, 150), null);
});

test('a pixel that recorded nothing has no value', () => {
  const { ccd, value, sigmas } = mosaic().probe(350, 25);
  assert.deepEqual([ccd.ccdname, value, sigmas], ['B', null, null]);
});

test('sigmas from the sky that the stretch goes by', () => {
  assert.equal(mosaic({ stretch: 'faint' }).probe(50, 25).sigmas, (110 - 100) / 8);
  assert.equal(mosaic({ scaleMode: 'ccd' }).probe(250, 25).sigmas, (150 - 101) / 4);
});

test('without a picture there is nothing under a point', () => {
  const made = mosaic();
  made.picture = null;
  assert.equal(made.probe(150, 25), null);
});

test('an enlarged CCD gives its own pixels', () => {
  const made = mosaic();
  made.opened = { ccd: made.ccds[1], rect: [0, 0, 400, 200], packet: { header: { columns: 4, rows: 2, zero: 0, step: 1, sky: 90, sigma: 8, unit: 'ADU', ccds: [{ nx: 4, ny: 2, sky: 90, sigma: 8 }] }, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6, 98, 8) } };
  const { ccd, column, row, value, sigmas } = made.probe(250, 150);
  assert.deepEqual([ccd.ccdname, column, row, value, sigmas], ['B', 1250, 750, 98, 1]);
});

test('the row of a CCD, and all of them', () => {
  assert.deepEqual(mosaic().rowOf('B'), ['A', 'B']);
  assert.deepEqual(mosaic().rowOf('C'), ['C']);
  assert.deepEqual(mosaic().rowOf('?'), []);
  assert.deepEqual(mosaic().ccdnames(), ['A', 'B', 'C']);
});

test('a sweep gives every CCD on its way what it gave the first', () => {
  const made = mosaic();
  made.ticked.add('B');
  const heard = [];
  made.onTick(tick => heard.push(tick));
  const press = { swept: new Set() };
  made.sweep(50, 50, press);
  made.sweep(60, 50, press);
  made.sweep(250, 50, press);
  made.sweep(250, 150, press);
  assert.deepEqual(heard, [{ ccdnames: ['A'], on: true }, { ccdnames: ['B'], on: true }]);
  const back = { swept: new Set() };
  made.sweep(250, 50, back);
  assert.deepEqual(heard.at(-1), { ccdnames: ['B'], on: false });
});

test('a click says what was picked, also beside the CCDs; not in the one that it is blinked with', () => {
  const made = mosaic();
  const heard = [];
  const stop = made.onPick(pick => heard.push([pick.ccdname, pick.imageId, pick.column, pick.shiftKey]));
  made.picked(made.probe(150, 25), { shiftKey: true });
  made.picked(null, { shiftKey: false });
  made.other = { expnum: 6 };
  made.picked(null, {});
  made.other = null;
  stop();
  made.picked(null, {});
  assert.deepEqual(heard, [['A', 501, 1500, true], ['', null, null, false]]);
});
