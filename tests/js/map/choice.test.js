import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytesOf, Choice } from '../../../static/map/choice.js';
import { PointSet } from '../../../static/map/points.js';

function choiceOf(n) {
  const set = new PointSet({ n, ccdnames: {} });
  set.expnum = Uint32Array.from({ length: n }, (_, i) => 100 + (i >> 1));
  set.ccdnum = Uint8Array.from({ length: n }, (_, i) => 1 + (i & 1));
  const choice = new Choice();
  choice.reset(set);
  return choice;
}

test('bits come lowest first', () => {
  assert.deepEqual([...bytesOf(Uint8Array.of(0b00000101, 0b10000000), 16)], [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.deepEqual([...bytesOf(Uint8Array.of(0b110), 3)], [0, 1, 1]);
});

test('a choice is replaced, added to and subtracted from', () => {
  const choice = choiceOf(6);
  choice.apply([1, 2], 'replace');
  choice.apply([4, 2], 'add');
  assert.deepEqual([...choice.indices()], [1, 2, 4]);
  choice.apply([1], 'subtract');
  assert.equal(choice.count, 2);
  choice.apply([0], 'replace');
  assert.deepEqual([...choice.indices()], [0]);
});

test('few points are told with their indices, many by the text alone', () => {
  const few = choiceOf(6);
  few.apply([3], 'replace');
  const told = few.message('lasso', -1, 'r.2');
  assert.deepEqual({ ...told, indices: [...told.indices] }, { type: 'select', gesture: 'lasso', focus: -1, text: 'r.2', indices: [3] });
  const many = choiceOf(4001);
  many.apply(new Uint8Array(4001).fill(1), 'replace');
  assert.equal('indices' in many.message('lasso', -1, 'r.2'), false);
  many.apply([0], 'subtract');
  assert.equal(many.message('lasso', -1, '').indices.length, 4000);
});

test('the exposure in focus is ringed, and its CCD besides', () => {
  const choice = choiceOf(6);
  choice.ringExposure(101, 2);
  assert.deepEqual([[...choice.focus], [...choice.ccd]], [[2, 3], [3]]);
  choice.ringExposure(101, 0);
  assert.deepEqual([...choice.ccd], []);
  choice.ringImage(4);
  assert.deepEqual([[...choice.focus], [...choice.ccd]], [[4, 5], [4]]);
});

test('pointing says whether it is another point', () => {
  const choice = choiceOf(6);
  assert.equal(choice.point(-1), false);
  assert.equal(choice.point(3), true);
  assert.equal(choice.point(3), false);
  assert.equal(choice.point(-1), true);
  assert.deepEqual([...choice.rings()[2].indices], []);
});
