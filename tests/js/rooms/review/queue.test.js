import { json, settled } from '../../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { ReviewQueue } = await import('../../../../static/rooms/review/queue.js');

const answerOf = (expnums, votes, behind = 0) => ({
  can_vote: false, total: expnums.length + behind, n_left: expnums.length + behind, colours: {}, reasons: [], items: expnums.map(expnum => ({ expnum, voted: false })), votes, n_votes: votes.length, n_unsure: 0,
});

// A Review room without a page, and the requests for its queue, which the test answers when it likes.
function roomOf() {
  const asked = [];
  globalThis.fetch = url => new Promise(resolve => { asked.push({ url, answer: value => resolve(json(value)) }); });
  const room = Object.assign(new ReviewQueue(), {
    outbox: { waiting: [], add() {}, remove: () => false }, model: { focus: null }, canVote: true, expnum: 1, queue: [1, 2], votes: [], facts: new Map(), skipped: new Set(),
    answers: new Map(), said: { n: 0, unsure: 0 }, order: 0, opened: 0, shownAt: -Infinity, reasons: new Set(), ticked: new Set(), comment: '', shown: null, origin: null, assisted: false,
    controls: { names: false }, mosaic: { screen: () => ({}), blink() {}, ccdnames: () => [] },
    open(expnum) { this.expnum = expnum; }, visible: () => true, finish() {}, drawChips() {}, refresh() {}, drawVotes() {}, forget() {}, explain() {}, say() {},
  });
  return { room, asked };
}

const earlier = { client_vote_id: 'earlier', expnum: 9, judgement: 'good' };

test('an answer from before a vote does not bring the judged exposure back, nor hide the vote from undo', async () => {
  const { room, asked } = roomOf();
  const loaded = room.load();
  await settled();
  room.judge('unsure');
  const [vote] = room.votes;
  room.saved(vote, { vote_id: 7 });
  asked[0].answer(answerOf([1, 2], [earlier]));
  await settled();
  assert.equal(asked.length, 2);
  asked[1].answer(answerOf([2], [{ ...vote, vote_id: 7 }, earlier]));
  await loaded;
  assert.deepEqual(room.queue, [2]);
  assert.equal(room.votes[0].client_vote_id, vote.client_vote_id);
});

test('an answer from before an undo does not hide the exposure again', async () => {
  const { room, asked } = roomOf();
  room.votes = [{ ...earlier, order: 0 }];
  room.queue = [2];
  const loaded = room.load();
  await settled();
  room.undo();
  assert.deepEqual(room.queue, [9, 2]);
  asked[0].answer(answerOf([2], [earlier]));
  await settled();
  asked[1].answer(answerOf([9, 2], []));
  await loaded;
  assert.deepEqual(room.queue, [9, 2]);
});

test('at the end of what the page has of a long queue it asks for more', async () => {
  const { room, asked } = roomOf();
  const loaded = room.load();
  await settled();
  asked[0].answer(answerOf([1], [], 1));
  await loaded;
  assert.equal(room.left, 2);
  room.canVote = true;
  room.judge('good');
  await settled();
  assert.equal(asked.length, 2);
  room.saved(room.votes[0], { vote_id: 7 });
  asked[1].answer(answerOf([1, 2], []));   // from before the vote
  await settled();
  asked[2].answer(answerOf([2], []));
  await settled();
  assert.deepEqual([room.expnum, room.queue, room.left], [2, [2], 1]);
});

test('what is on screen stays though it is no candidate, also after its vote was taken back', async () => {
  const { room, asked } = roomOf();
  room.expnum = 7;
  room.facts = new Map([[7, { expnum: 7, band: 'z' }]]);
  const loaded = room.load();
  await settled();
  asked[0].answer(answerOf([1, 2], []));
  await loaded;
  assert.deepEqual([room.expnum, room.facts.get(7).band, room.queue], [7, 'z', [1, 2]]);
});

test('of two answers the one that was asked for last counts', async () => {
  const { room, asked } = roomOf();
  const both = [room.load(), room.load()];
  await settled();
  asked[1].answer(answerOf([3], []));
  await settled();
  asked[0].answer(answerOf([1, 2], []));
  await Promise.all(both);
  assert.deepEqual(room.queue, [3]);
});
