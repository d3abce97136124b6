import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { nextIsolated } = await import('../../../static/map/legend.js');

test('a click shows a class alone, a second one all again', () => {
  assert.deepEqual(nextIsolated([], 'a', false), ['a']);
  assert.deepEqual(nextIsolated(['a'], 'a', false), []);
  assert.deepEqual(nextIsolated(['b'], 'a', false), ['a']);
});

test('a click on one of several shows it alone', () => {
  assert.deepEqual(nextIsolated(['a', 'b'], 'a', false), ['a']);
});

test('with Shift a class joins and leaves', () => {
  assert.deepEqual(nextIsolated([], 'a', true), ['a']);
  assert.deepEqual(nextIsolated(['b'], 'a', true), ['b', 'a']);
  assert.deepEqual(nextIsolated(['a', 'b', 'c'], 'b', true), ['a', 'c']);
  assert.deepEqual(nextIsolated(['a'], 'a', true), []);
});
