import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BLANK, COLOURS, howToDraw, STRETCHES } from '../../../static/mosaic/stretch.js';

const PLAIN = { scaleMode: 'all', invert: false, limits: null, orientation: null };
const HEADER = { sky: 110, sigma: 4, zero: 10, step: 2, blocks: { zero: 60, step: 0.5 } };
const colour = (table, shade) => [...table.slice(4 * shade, 4 * shade + 4)];

test('grey is the shade itself', () => {
  assert.deepEqual([0, 1, 128, 255].map(shade => colour(COLOURS.grey, shade)[0]), [0, 1, 128, 255]);
  assert.equal(COLOURS.grey.length, 1024);
});

test('the sky map is blue below, dark in the middle, red above', () => {
  assert.deepEqual(colour(COLOURS.diverging, 0), [158, 209, 255, 255]);
  assert.deepEqual(colour(COLOURS.diverging, 255), [255, 205, 170, 255]);
  assert.deepEqual(colour(COLOURS.diverging, 85), [38, 66, 104, 255]);   // a third of the way: the third of seven stops
  const [r, g, b] = colour(COLOURS.diverging, 127);
  assert.ok(Math.max(r, g, b) <= 21);
});

test('inverted it is white in the middle', () => {
  const [r, g, b] = colour(COLOURS.diverging_light, 128);
  assert.ok(r === 255 && g > 250 && b > 250);
  assert.deepEqual(colour(COLOURS.diverging_light, 0), [0, 0, 77, 255]);
  assert.deepEqual(colour(COLOURS.diverging_light, 255), [128, 0, 0, 255]);
});

test('sky and noise are told in codes', () => {
  const how = howToDraw('faint', HEADER, PLAIN);
  assert.deepEqual([how.sky, how.sigma], [50, 2]);
  assert.deepEqual([how.low, how.high, how.softening], [-3, 5, 0]);
  assert.equal(how.blank, BLANK);
  const sky = howToDraw('sky', HEADER, PLAIN);
  assert.deepEqual([sky.sky, sky.sigma], [100, 8]);
});

test('the exposure may bring limits of its own', () => {
  const how = howToDraw('stars', { ...HEADER, stretches: { stars: { high: 90 } } }, PLAIN);
  assert.deepEqual([how.low, how.high, how.softening], [-3, 90, 1.5]);
});

test('free limits outrank the named ones, and follow the averaging', () => {
  const how = howToDraw('stars', HEADER, { ...PLAIN, limits: [-1, 40], relax: 0.5 });
  assert.deepEqual([how.low, how.high, how.softening], [-0.5, 20, 0.75]);
});

test('a scale of its own for each CCD, but for the blocks of the sky map', () => {
  const of = (name, scaleMode) => { const { ownSky, ownSigma } = howToDraw(name, HEADER, { ...PLAIN, scaleMode }); return [ownSky, ownSigma]; };
  assert.deepEqual(of('stars', 'all'), [false, false]);
  assert.deepEqual(of('stars', 'ccd'), [true, true]);
  assert.deepEqual(of('faint', 'all'), [true, false]);
  assert.deepEqual(of('sky', 'ccd'), [true, false]);
});

test('inverted: grey turns round, the sky map takes its light colours', () => {
  const grey = howToDraw('faint', HEADER, { ...PLAIN, invert: true });
  assert.deepEqual([grey.invert, grey.colourName], [true, 'grey']);
  const sky = howToDraw('sky', HEADER, { ...PLAIN, invert: true });
  assert.deepEqual([sky.invert, sky.colourName], [false, 'diverging_light']);
  assert.equal(sky.colours, COLOURS.diverging_light);
});

test('every stretch has limits about the sky and a name', () => {
  for (const { low, high, title } of Object.values(STRETCHES)) assert.ok(low < 0 && high > 0 && title);
});
