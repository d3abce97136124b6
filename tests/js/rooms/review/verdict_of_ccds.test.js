import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rollUp } from '../../../../static/rooms/review/verdict_of_ccds.js';

test('good stays good, whatever is ticked', () => {
  assert.deepEqual(rollUp('good', [], 60), { state: 'good', n: 0, text: 'all good' });
  assert.deepEqual(rollUp('good', ['N1'], 60), { state: 'good', n: 0, text: 'all good' });
});

test('unsure is unsure and keeps the count', () => {
  assert.deepEqual(rollUp('unsure', ['N1', 'N2'], 60), { state: 'unsure', n: 2, text: 'unsure' });
});

test('bad without ticks, and with all ticked, is the whole exposure', () => {
  assert.deepEqual(rollUp('bad', [], 60), { state: 'whole', n: 60, text: 'whole exposure bad' });
  assert.deepEqual(rollUp('bad', undefined, 60), { state: 'whole', n: 60, text: 'whole exposure bad' });
  assert.deepEqual(rollUp('bad', ['a', 'b', 'c'], 3), { state: 'whole', n: 3, text: 'whole exposure bad' });
  assert.deepEqual(rollUp('bad', [], 0), { state: 'whole', n: 0, text: 'whole exposure bad' });
});

test('some ticked are some CCDs', () => {
  assert.deepEqual(rollUp('bad', ['N1', 'N2'], 61), { state: 'some', n: 2, text: '2 of 61 CCDs bad' });
  assert.equal(rollUp('bad', ['N1'], 61).text, '1 of 61 CCDs bad');
});

test('without a known number of CCDs only those ticked are counted', () => {
  assert.deepEqual(rollUp('bad', ['N1'], 0), { state: 'some', n: 1, text: '1 CCD bad' });
  assert.equal(rollUp('bad', ['N1', 'N2'], 0).text, '2 CCDs bad');
});
