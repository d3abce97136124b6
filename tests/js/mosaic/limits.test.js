import assert from 'node:assert/strict';
import { test } from 'node:test';

import { histogram } from '../../../static/mosaic/limits.js';

// Place of the axis as the panel says: asinh(sigmas / 3) from -12 to 400 sigmas, in 120 bins.
const bin = sigmas => Math.floor(120 * (Math.asinh(sigmas / 3) - Math.asinh(-4)) / (Math.asinh(400 / 3) - Math.asinh(-4)));

const full = counts => counts.flatMap((count, place) => (count ? [[place, count]] : []));

const HEADER = {
  zero: 0, step: 1, columns: 2, rows: 2, sky: 100, sigma: 10,
  ccds: [{ sky: 100, sigma: 10, block_sky: 104 }, { sky: 300, sigma: 20 }],
  blocks: { zero: 0, step: 2, columns: 1, rows: 1 },
};

test('pixels in sigmas from the sky of the exposure; blanks do not count', () => {
  const counts = histogram({ header: HEADER, pixels: Uint16Array.of(0, 100, 100, 200, 150, 0, 0, 0) }, { ownSky: false });
  assert.equal(counts.length, 120);
  assert.deepEqual(full(counts), [[bin(0), 2], [bin(5), 1], [bin(10), 1]]);
});

test('each CCD from its own sky', () => {
  const counts = histogram({ header: HEADER, pixels: Uint16Array.of(100, 100, 100, 100, 300, 300, 300, 350) }, { ownSky: true });
  assert.deepEqual(full(counts), [[bin(0), 7], [bin(5), 1]]);
});

test('in the noise of each CCD where each has its own scale', () => {
  const counts = histogram({ header: HEADER, pixels: Uint16Array.of(150, 0, 0, 0, 400, 0, 0, 0) }, { ownSky: true }, 'ccd');
  assert.deepEqual(full(counts), [[bin(5), 2]]);
});

test('the sky map counts blocks, from the sky of the blocks', () => {
  const counts = histogram({ header: HEADER, pixels: new Uint16Array(8), blocks: Uint16Array.of(52, 155) }, { ownSky: true, blocks: true });
  assert.deepEqual(full(counts), [[bin(0), 1], [bin(1), 1]]);
});

test('what lies beyond the axis is not counted', () => {
  const counts = histogram({ header: HEADER, pixels: Uint16Array.of(5000, 1, 100, 0, 0, 0, 0, 0) }, { ownSky: false });
  assert.deepEqual(full(counts), [[bin(-9.9), 1], [bin(0), 1]]);
});
