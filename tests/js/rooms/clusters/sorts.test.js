import '../../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { SORTS } = await import('../../../../static/rooms/clusters/sorts.js');

const ROWS = [
  { cluster: 0, n_images: 10, p_bad: 0.2, n_exposures: 8, mine: 8 },
  { cluster: 1, n_images: 90, p_bad: null, n_exposures: 50, mine: 40 },
  { cluster: 2, n_images: 40, p_bad: 0.9, n_exposures: 20, mine: 0 },
  { cluster: 3, n_images: 5, p_bad: 0, n_exposures: 0, mine: 0 },
];
const sorted = name => [...ROWS].sort(SORTS[name][1]).map(row => row.cluster);

test('every order of the clusters', () => {
  assert.deepEqual(sorted('number'), [0, 1, 2, 3]);
  assert.deepEqual(sorted('size'), [1, 2, 0, 3]);
  assert.deepEqual(sorted('bad'), [2, 0, 3, 1]);
  assert.deepEqual(sorted('todo'), [2, 1, 0, 3]);
  assert.deepEqual(sorted('least'), [2, 3, 1, 0]);
});
