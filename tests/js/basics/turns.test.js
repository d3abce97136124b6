import assert from 'node:assert/strict';
import { test } from 'node:test';

const { Turns } = await import('../../../static/basics/turns.js');

test('only the newest question counts', () => {
  const turns = new Turns();
  const first = turns.begin();
  assert.equal(first(), true);
  const second = turns.begin();
  assert.deepEqual([first(), second()], [false, true]);
});

test('an answer that does not know of an act is asked for again', async () => {
  const turns = new Turns();
  let asked = 0;
  const answer = await turns.newest(async () => { asked += 1; if (asked < 3) turns.act(); return asked; });
  assert.equal(answer, 3);
});

test('a question that a newer one has overtaken gets no answer', async () => {
  const turns = new Turns();
  let release;
  const slow = turns.newest(() => new Promise(resolve => { release = resolve; }));
  assert.equal(await turns.newest(async () => 'new'), 'new');
  release('old');
  assert.equal(await slow, undefined);
});
