import { settled } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Masks } = await import('../../../static/mosaic/masks.js');

const CLASSES = [{ bit: 0, label: 'bad pixel', colour: '#ff0000' }, { bit: 2, label: 'trail', colour: '#00ff00' }, { bit: null, label: 'nothing', colour: '#808080' }];

function masksOf(answer) {
  const asked = [];
  const seen = { expnum: 5, opened: null };
  const mosaic = {
    opened: null, seen: () => seen, shown: () => ({}), requestDraw: () => {},
    pictures: { mask: expnum => { asked.push(expnum); return answer(); }, ccdMask: id => { asked.push(`ccd ${id}`); return answer(); } },
  };
  const masks = new Masks(mosaic);
  masks.set(true);
  return { masks, seen, asked, mosaic };
}

const packet = { header: { classes: CLASSES, note: 'from the survey' }, mask: Uint16Array.of(0, 1, 5, 2) };

test('the mask of an exposure is asked for once', async () => {
  const { masks, seen, asked } = masksOf(async () => packet);
  assert.equal(masks.line(masks.of(seen).packet), 'the mask is being read');
  await settled();
  assert.equal(masks.line(masks.of(seen).packet), 'from the survey');
  assert.deepEqual(asked, [5]);
});

test('classes at a texel by their bits', async () => {
  const { masks, seen } = masksOf(async () => packet);
  masks.of(seen);
  await settled();
  assert.deepEqual([0, 1, 2, 3].map(at => masks.labelsAt(seen, at)), [[], ['bad pixel'], ['bad pixel', 'trail'], []]);
  masks.set(false);
  assert.deepEqual(masks.labelsAt(seen, 1), []);
});

test('what the record of a vote says of masks', async () => {
  const { masks, seen } = masksOf(async () => packet);
  assert.deepEqual(masks.screen(), ['nothing_recorded']);
  masks.of(seen);
  await settled();
  assert.deepEqual(masks.screen(), ['data_quality', 'nothing_recorded']);
  masks.set(false);
  assert.deepEqual(masks.screen(), []);
});

test('without a mask it says why, and asks again only where that may help', async () => {
  for (const [again, times] of [[false, 1], [true, 2]]) {
    const { masks, seen, asked } = masksOf(async () => { throw Object.assign(new Error('none here'), { again }); });
    const found = masks.of(seen);
    await settled();
    assert.equal(masks.line(undefined, found.problem), 'no mask: none here');
    masks.of(seen);
    assert.equal(asked.length, times);
    await settled();
  }
});

test('an enlarged CCD has a mask of its own', () => {
  const { masks, seen, asked, mosaic } = masksOf(async () => packet);
  const full = {};
  mosaic.opened = {};
  seen.opened = { ccd: { ccdname: 'N1', image_id: 532 }, packet: full };
  mosaic.shown = () => full;
  assert.equal(masks.keyOf(seen), '5-N1');
  masks.of(seen);
  mosaic.shown = () => ({});
  masks.of(seen);
  assert.deepEqual(asked, ['ccd 532', 5]);
});

test('six masks are kept', () => {
  const { masks, asked } = masksOf(async () => packet);
  for (const expnum of [1, 2, 3, 4, 5, 6, 7]) masks.ahead(expnum);
  masks.ahead(7);
  assert.equal(asked.length, 7);
  masks.ahead(1);
  assert.equal(asked.length, 8);
});
