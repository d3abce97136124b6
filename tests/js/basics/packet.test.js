import assert from 'node:assert/strict';
import { test } from 'node:test';

import { packetOf, packetText } from '../../../static/basics/packet.js';

test('a packet by its parts', () => {
  assert.deepEqual(packetOf('band=g;month=2013-10'), { band: 'g', month: '2013-10' });
  assert.deepEqual([packetOf(''), packetOf(null), packetOf(undefined)], [{}, {}, {}]);
});

test('a value may hold the sign that parts name and value', () => {
  assert.deepEqual(packetOf('list=a=b;band=g'), { list: 'a=b', band: 'g' });
});

test('what is written is read back', () => {
  assert.equal(packetText({ band: 'g', list: 'a=b' }), 'band=g;list=a=b');
  assert.equal(packetText({}), '');
  assert.deepEqual(packetOf(packetText({ night: '20131005', why: 'bad_seeing' })), { night: '20131005', why: 'bad_seeing' });
});
