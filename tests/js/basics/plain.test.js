import assert from 'node:assert/strict';
import { test } from 'node:test';

import { plain } from '../../../static/basics/plain.js';

test('maps become plain objects, however deep', () => {
  const given = new Map([['n', 3], ['flat', new Map([['half', [1, new Map([['x', 2]])]]])]]);
  assert.deepEqual(plain(given), { n: 3, flat: { half: [1, { x: 2 }] } });
  assert.deepEqual(plain({ inner: new Map([['a', 1]]) }), { inner: { a: 1 } });
});

test('everything else stays what it is', () => {
  const bytes = Uint8Array.of(1, 2);
  assert.equal(plain(bytes), bytes);
  assert.equal(plain(null), null);
  assert.equal(plain('text'), 'text');
});
