import assert from 'node:assert/strict';
import { test } from 'node:test';

import { escapeText } from '../../../static/basics/text.js';

test('text from outside does no harm in markup', () => {
  assert.equal(escapeText('<a href="x">&\'</a>'), '&#60;a href=&#34;x&#34;&#62;&#38;&#39;&#60;/a&#62;');
  assert.equal(escapeText(null), '');
  assert.equal(escapeText(0), '0');
});
