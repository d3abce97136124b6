import assert from 'node:assert/strict';
import { test } from 'node:test';

const { ccdnumOf, expnumOf, imageIdOf } = await import('../../../static/basics/image_ids.js');

test('an image_id is made and read as in Python', () => {
  const id = imageIdOf(1234567, 62);
  assert.deepEqual([expnumOf(id), ccdnumOf(id)], [1234567, 62]);
  assert.equal(id, 123456762);      // as tests/pipeline/test_image_ids.py has it
});
