import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { keyOf } = await import('../../../static/frame/keys.js');
const { KEYS } = await import('../../../static/frame/shortcuts.js');

// Rooms whose keys are heard together.
const TOGETHER = [
  ['Everywhere', 'Explore: map', 'Explore: images'], ['Everywhere', 'Mosaic, both rooms', 'Review'], ['Everywhere', 'Clusters'],
  ['Everywhere', 'Agreement'], ['Everywhere', 'Model'], ['Everywhere', 'Adjudicate (lead)'], ['Everywhere', 'Export'],
];

test('every room is in one of the groups', () => {
  assert.deepEqual(new Set(TOGETHER.flat()), new Set(Object.keys(KEYS)));
});

for (const rooms of TOGETHER) {
  test(`letters and digits mean one thing in ${rooms.slice(1).join(' and ')}`, () => {
    const keys = rooms.flatMap(room => KEYS[room]).flatMap(([caps]) => (caps.includes('drag') || caps.includes('…') ? [] : caps.split(' ')));
    const letters = keys.map(keyOf).filter(key => /^[a-zA-Z0-9]$/.test(key));
    assert.ok(letters.length > 8);
    assert.deepEqual(letters.filter((key, place) => letters.indexOf(key) !== place), []);
  });
}
