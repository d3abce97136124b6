import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const { dateOf, moment, momentOf } = await import('../../../static/basics/when.js');

test('a moment says that it is UTC', () => {
  assert.equal(moment('2013-10-05T03:04:05Z'), '2013-10-05 03:04 UTC');
  assert.deepEqual([moment(null), moment('')], ['', '']);
  assert.equal(momentOf(56570.5), '2013-10-05 12:00 UTC');
});

test('a night is a date', () => assert.deepEqual([dateOf(20131005), dateOf(-1)], ['2013-10-05', '']));

test('no room writes dates in its own way', () => {
  const files = readdirSync(new URL('../../../static', import.meta.url), { recursive: true, withFileTypes: true }).filter(file => file.name.endsWith('.js') && file.name !== 'when.js');
  assert.ok(files.length > 80);
  const own = files.filter(file => /slice\([05], 16\)|slice\(11, 16\)|slice\(4, 6\)|toLocale(Date|Time)String/.test(readFileSync(`${file.parentPath}/${file.name}`, 'utf8')));
  assert.deepEqual(own.map(file => file.name), []);
});
