import { answers, json, settled } from '../browser.js';
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

delete globalThis.BroadcastChannel;
Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true });
const { Outbox, votesOutbox } = await import('../../../static/frame/outbox.js');

let open = [];

function boxOf(user = 'ann', more = {}) {
  const box = new Outbox(user, more);
  open.push(box);
  return box;
}

const vote = expnum => ({ client_vote_id: `id-${expnum}`, expnum });
const sent = asked => asked.map(({ options }) => JSON.parse(options.body).expnum);

beforeEach(() => localStorage.clear());
afterEach(() => { for (const box of open) box.close(); open = []; });

test('votes leave one after the other, oldest first', async () => {
  const asked = answers(json({ vote_id: 1 }), json({ vote_id: 2 }), json({ vote_id: 3 }));
  const saved = [];
  const box = boxOf('ann', { onSaved: ({ expnum }, { vote_id: id }) => saved.push([expnum, id]) });
  for (const expnum of [30, 10, 20]) box.add(vote(expnum));
  assert.deepEqual(box.waiting.map(one => one.expnum), [30, 10, 20]);
  await settled();
  assert.deepEqual(sent(asked), [30, 10, 20]);
  assert.deepEqual(saved, [[30, 1], [10, 2], [20, 3]]);
  assert.equal(localStorage.length, 0);
});

test('a request says in whose name and what', async () => {
  const asked = answers(json({}));
  boxOf('Zoë Ann').add(vote(1));
  await settled();
  assert.equal(asked[0].url, 'api/vote');
  assert.equal(asked[0].options.headers['X-Triptych-User'], 'Zo%C3%AB%20Ann');
  assert.deepEqual(JSON.parse(asked[0].options.body), vote(1));
});

test('without a connection a vote waits, in the storage, too', async () => {
  const asked = answers(new TypeError('fetch failed'), json({}), json({}));
  const states = [];
  const box = boxOf('ann', { onState: state => states.push(state) });
  box.add(vote(1));
  await settled();
  box.add(vote(2));
  assert.deepEqual(states.at(-1), { waiting: 2, problem: 'no connection' });
  assert.equal(localStorage.length, 2);
  window.dispatchEvent(new Event('online'));
  await settled();
  assert.deepEqual(sent(asked), [1, 1, 2]);
  assert.deepEqual(states.at(-1), { waiting: 0, problem: '' });
});

test('what an earlier page left is sent by the next one', async () => {
  answers(new TypeError('fetch failed'));
  const first = boxOf();
  first.add(vote(4));
  await settled();
  first.close();
  const asked = answers(json({}));
  boxOf();
  await settled();
  assert.deepEqual(sent(asked), [4]);
});

test('votes of somebody else, and of another kind, stay where they are', async () => {
  answers(new TypeError(''), new TypeError(''));
  boxOf('ann').add(vote(1));
  boxOf('ann', { of: 'decisions-', address: 'adjudicate/decision' }).add(vote(2));
  await settled();
  for (const box of open) box.close();
  const asked = answers();
  assert.deepEqual(boxOf('bob').waiting, []);
  assert.deepEqual(boxOf('an').waiting, []);
  await settled();
  assert.equal(asked.length, 0);
});

test('a vote that the server will never take leaves with its reason', async () => {
  answers(new Response('400 there is no exposure 9', { status: 400 }), json({}));
  const refused = [], saved = [];
  const box = boxOf('ann', { onRefused: ({ expnum }, text) => refused.push([expnum, text]), onSaved: ({ expnum }) => saved.push(expnum) });
  box.add(vote(9));
  box.add(vote(8));
  await settled();
  assert.deepEqual(refused, [[9, 'there is no exposure 9']]);
  assert.deepEqual(saved, [8]);
  assert.deepEqual(box.waiting, []);
});

test('what stands in the way is said', async () => {
  for (const [status, problem] of [[403, 'log in again'], [409, 'log in as ann'], [503, 'the label store cannot be used now'], [500, 'the server answered 500']]) {
    localStorage.clear();
    answers(new Response('', { status }));
    const box = boxOf();
    box.add(vote(1));
    await settled();
    assert.equal(box.problem, problem);
    assert.equal(box.waiting.length, 1);
    box.close();
  }
});

test('a vote can be taken back until it is on its way', async () => {
  let release;
  answers(() => new Promise(resolve => { release = resolve; }));
  const box = boxOf();
  box.add(vote(1));
  box.add(vote(2));
  await null;
  assert.equal(box.remove('id-1'), false);
  assert.equal(box.remove('id-2'), true);
  assert.equal(box.remove('id-2'), false);
  release(json({}));
  await settled();
  assert.deepEqual(box.waiting, []);
});

test('letters to other addresses wait in the same line', async () => {
  const asked = answers(json({}), json({}));
  const box = boxOf();
  box.add(vote(1));
  box.add({ expnum: 1, undoes: 'id-1' }, 'api/undo');
  await settled();
  assert.deepEqual(asked.map(({ url }) => url), ['api/vote', 'api/undo']);
});

test('after each failure it waits twice as long, up to 15 seconds', async () => {
  answers(...Array.from({ length: 7 }, () => new TypeError('')));
  const box = boxOf();
  box.add(vote(1));
  await settled();
  const pauses = [box.pause];
  for (let k = 0; k < 4; k++) { await box.send(); pauses.push(box.pause); }
  assert.deepEqual(pauses, [2000, 4000, 8000, 15000, 15000]);
});

test('where the browser keeps nothing, votes wait in memory and the page is not left', async () => {
  const { setItem } = localStorage;
  localStorage.setItem = () => { throw new Error('QuotaExceededError'); };
  try {
    answers(new TypeError(''));
    const box = boxOf();
    box.add(vote(3));
    await settled();
    assert.deepEqual(box.waiting, [vote(3)]);
    const leaving = new Event('beforeunload', { cancelable: true });
    window.dispatchEvent(leaving);
    assert.equal(leaving.defaultPrevented, true);
  } finally { localStorage.setItem = setItem; }
});

test('a list that an earlier version kept is taken over in its order', async () => {
  localStorage.setItem('triptych-outbox-ann', JSON.stringify([vote(5), vote(6)]));
  const asked = answers(json({}), json({}));
  boxOf();
  await settled();
  assert.deepEqual(sent(asked), [5, 6]);
  assert.equal(localStorage.length, 0);
});

test('a page has one box of votes for each user', () => {
  answers();
  const box = votesOutbox('ann');
  assert.equal(votesOutbox('ann'), box);
  const other = votesOutbox('bob');
  assert.notEqual(other, box);
  open.push(box, other);
});

test('a refused vote is kept with why until it is dismissed', async () => {
  const { dismissRefused, refusedOf, wordsOf } = await import('../../../static/frame/refused.js');
  answers(new Response('400 exposure 9 is not in this run', { status: 400 }));
  const first = boxOf();
  first.add({ ...vote(9), judgement: 'bad', reasons: ['PSF'] });
  await settled();
  first.close();
  const asked = answers();
  assert.deepEqual(boxOf().waiting, []);   // as after a reload
  const [letter] = refusedOf('ann');
  assert.equal(letter.why, 'exposure 9 is not in this run');
  assert.equal(wordsOf(letter), 'Vote on 9: bad (PSF)');
  assert.deepEqual(refusedOf('bob'), []);
  dismissRefused(letter.key);
  assert.deepEqual(refusedOf('ann'), []);
  assert.equal(asked.length, 0);
});

test('a passing fault loses no vote', async () => {
  const { refusedOf } = await import('../../../static/frame/refused.js');
  for (const [status, text] of [[503, '503 the disk is full'], [500, '500 a fault'], [429, '429 too many'], [404, '<html>a proxy</html>']]) {
    localStorage.clear();
    answers(new Response(text, { status }));
    const box = boxOf();
    box.add(vote(1));
    await settled();
    assert.equal(box.waiting.length, 1, text);
    assert.equal(box.problem, text.startsWith('<') ? 'the server answered 404' : text.slice(4));
    assert.deepEqual(refusedOf('ann'), []);
    box.close();
  }
});

test('a vote that is too large or of an unknown kind is refused, whoever says so', async () => {
  const { refusedOf } = await import('../../../static/frame/refused.js');
  answers(new Response('<html>', { status: 413 }), new Response('422 no', { status: 422 }));
  const box = boxOf();
  box.add(vote(1));
  box.add(vote(2));
  await settled();
  assert.deepEqual(box.waiting, []);
  assert.deepEqual(refusedOf('ann').map(({ why }) => why), ['it is too long', 'no']);
});

test('a fault of a listener neither loses nor delays a vote', async () => {
  answers(json({ vote_id: 1 }), json({ vote_id: 2 }));
  const { error } = console, faults = [];
  console.error = fault => faults.push(fault.message);
  try {
    const saved = [], box = boxOf('ann', { onSaved: () => { throw new Error('a fault in drawVotes'); } });
    box.listen({ onSaved: ({ expnum }) => saved.push(expnum) });
    box.add(vote(1));
    box.add(vote(2));
    await settled();
    assert.deepEqual([saved, box.waiting, box.problem], [[1, 2], [], '']);
    assert.equal(faults.length, 2);
  } finally { console.error = error; }
});

test('a browser that refuses the lock still sends', async () => {
  Object.defineProperty(navigator, 'locks', { value: { request: async () => { throw new Error('InvalidStateError'); } }, configurable: true });
  try {
    const asked = answers(new TypeError(''), json({}), json({}));
    const box = boxOf();
    box.add(vote(1));
    box.add(vote(2));
    await settled();
    assert.equal(box.problem, 'no connection');
    box.wake();
    await settled();
    assert.deepEqual(sent(asked), [1, 1, 2]);
    assert.deepEqual([box.busy, box.waiting, box.problem], [false, [], '']);
  } finally { Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true }); }
});
