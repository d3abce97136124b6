import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { FramesAhead } = await import('../../../static/mosaic/frames_ahead.js');

// A mosaic of `tiles` CCDs on a graphics card that writes down what it was told.
function mosaicOf({ width = 1000, height = 1000, tiles = 14 } = {}) {
  const done = [];
  let made = 0;
  const gl = {
    canvas: { width, height },
    newFrame: () => ({ buffer: ++made, width, height }),
    dropFrame: frame => done.push(`drop ${frame.buffer}`),
    into: () => {},
    draw: (key, some) => done.push(`${key}: ${some.length}`),
    toScreen: frame => done.push(`show ${frame.buffer}`),
    mark: () => ({}),
    finished: () => true,
  };
  const jobs = new Map();
  return { gl, done, jobs, clear: () => done.push('clear'), job: expnum => jobs.get(expnum) ?? null, wants(expnum, look = 'a') { jobs.set(expnum, { look, view: {}, how: {}, key: `${expnum}`, tiles: new Array(tiles).fill({}) }); } };
}

function aheadOf(mosaic) {
  const ahead = new FramesAhead(mosaic);
  ahead.later = () => {};     // steps are taken by hand
  return ahead;
}

test('a frame is drawn six CCDs at a time', () => {
  const mosaic = mosaicOf();
  mosaic.wants(7);
  const ahead = aheadOf(mosaic);
  ahead.want([7]);
  ahead.step();
  ahead.step();
  assert.equal(ahead.paint(7, 'a'), false);
  ahead.step();
  ahead.step();
  assert.deepEqual(mosaic.done, ['clear', '7: 6', '7: 6', '7: 2']);
  assert.equal(ahead.paint(7, 'a'), true);
  assert.equal(mosaic.done.at(-1), 'show 1');
});

test('nothing is drawn until the card has finished the last', () => {
  const mosaic = mosaicOf();
  mosaic.wants(7);
  mosaic.gl.finished = () => false;
  const ahead = aheadOf(mosaic);
  ahead.want([7]);
  ahead.step();
  ahead.step();
  assert.deepEqual(mosaic.done, ['clear', '7: 6']);
});

test('the most urgent first; what is not here yet is passed over', () => {
  const mosaic = mosaicOf({ tiles: 3 });
  mosaic.wants(2);
  mosaic.wants(3);
  const ahead = aheadOf(mosaic);
  ahead.want([1, 3, 2]);
  ahead.step();
  ahead.step();
  assert.deepEqual(mosaic.done, ['clear', '3: 3', 'clear', '2: 3']);
});

test('another look is drawn again in the same frame', () => {
  const mosaic = mosaicOf({ tiles: 3 });
  mosaic.wants(7);
  const ahead = aheadOf(mosaic);
  ahead.want([7]);
  ahead.step();
  mosaic.wants(7, 'b');
  assert.equal(ahead.paint(7, 'b'), false);
  ahead.step();
  assert.equal(ahead.paint(7, 'b'), true);
  assert.equal(mosaic.done.at(-1), 'show 1');
});

test('no more frames than memory for them, the oldest goes', () => {
  // 64 MiB hold two frames of 4 x 2800 x 2800 bytes; at least two are kept
  const mosaic = mosaicOf({ width: 2800, height: 2800 });
  const ahead = aheadOf(mosaic);
  const job = { key: 'k', tiles: [{}], view: {}, how: {} };
  for (const expnum of [1, 2, 3]) ahead.drawNow(expnum, 'a', job);
  assert.deepEqual([...ahead.frames.keys()], [2, 3]);
  assert.ok(mosaic.done.includes('drop 1'));
  ahead.paint(2, 'a');
  ahead.drawNow(4, 'a', job);
  assert.deepEqual([...ahead.frames.keys()], [2, 4]);
});

test('frames of an earlier size are made anew', () => {
  const mosaic = mosaicOf({ tiles: 3 });
  const ahead = aheadOf(mosaic);
  ahead.drawNow(1, 'a', { key: 'k', tiles: [{}], view: {}, how: {} });
  mosaic.gl.canvas = { width: 500, height: 500 };
  ahead.fresh(1, 'a');
  assert.ok(mosaic.done.includes('drop 1'));
});
