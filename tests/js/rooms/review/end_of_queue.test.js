import assert from 'node:assert/strict';
import { test } from 'node:test';

const { endOfQueue } = await import('../../../../static/rooms/review/end_of_queue.js');

const room = (more = {}) => ({ canVote: true, votes: [{}], total: 3, model: { role: 'inspector' }, bar: { choices: { packet: '' } }, ...more });

test('an empty queue says the next step, for each role', () => {
  const html = endOfQueue(room());
  assert.match(html, /Your queue is empty.*data-verb="choose".*data-go="agreement"/s);
  assert.doesNotMatch(html, /data-go="adjudicate"/);
  assert.match(endOfQueue(room({ model: { role: 'lead' } })), /data-go="adjudicate".*data-go="model"/s);
  assert.match(endOfQueue(room({ canVote: false, model: { role: 'viewer' } })), /No candidate waits/);
});

test('a packet that is done, and a run without candidates', () => {
  assert.match(endOfQueue(room({ bar: { choices: { packet: 'band=z' } } })), /Your packet is done: z.*Choose another one/s);
  const none = { votes: [], total: 0 };
  assert.match(endOfQueue(room(none)), /no candidates.*A lead has to train/s);
  assert.match(endOfQueue(room({ ...none, model: { role: 'lead' } })), /train, predict and find candidates.*data-go="model"/s);
});
