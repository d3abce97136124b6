import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { howOf } = await import('../../../static/map/gestures.js');

test('Shift adds, Alt or Ctrl subtracts', () => {
  assert.equal(howOf({ shiftKey: true, altKey: true, ctrlKey: false }), 'add');
  assert.equal(howOf({ shiftKey: false, altKey: true, ctrlKey: false }), 'subtract');
  assert.equal(howOf({ shiftKey: false, altKey: false, ctrlKey: true }), 'subtract');
  assert.equal(howOf({ shiftKey: false, altKey: false, ctrlKey: false }), 'replace');
});
