import '../../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { ReviewVoting } = await import('../../../../static/rooms/review/voting.js');

// A Review room without a page: a queue, an outbox that keeps everything, and what was opened.
function roomOf(queue, { unsent = true } = {}) {
  const sent = [], opened = [];
  const room = Object.assign(new ReviewVoting(), {
    canVote: true, expnum: queue[0], queue: [...queue], votes: [], facts: new Map(queue.map(expnum => [expnum, { n_ccds: 3, voted: false }])),
    answers: new Map(), said: { n: 0, unsure: 0 }, order: 0, opened: performance.now(), shownAt: -Infinity, reasons: new Set(), ticked: new Set(), comment: '', shown: null, assisted: false,
    controls: { names: false }, help: { open: false },
    mosaic: { screen: () => ({ stretch: 'faint' }), blink() {}, setTicked() {}, setVerdict() {}, ccdnames: () => ['N1', 'N2', 'N3'] },
    vocabulary: [{ name: 'seeing' }, { name: 'clouds' }, { name: 'ghosts', on_ccds: true }, { name: 'amplifier', on_ccds: true }],
    outbox: { waiting: [], add: (body, address = 'api/vote') => sent.push([address, body]), remove: () => unsent }, total: queue.length,
    open(expnum) { this.expnum = expnum; this.reasons.clear(); this.ticked.clear(); this.choosing = false; opened.push(expnum); },
    next() { this.open(this.queue[0] ?? null); },
    forget() {}, refresh() {}, drawVotes() {}, drawProgress() {}, explain() {}, load() { opened.push('load'); }, say(text) { opened.push(text); },
  });
  return { room, sent, opened };
}

test('a judgement leaves at once and the next exposure comes', () => {
  const { room, sent } = roomOf([1, 2]);
  room.judge('good');
  const [[address, vote]] = sent;
  assert.deepEqual([address, vote.expnum, vote.judgement, vote.reasons, vote.ccdnames], ['api/vote', 1, 'good', [], []]);
  assert.equal(vote.screen.stretch, 'faint');
  assert.equal(room.expnum, 2);
  assert.deepEqual([room.queue, room.said, room.facts.get(1).voted], [[2], { n: 1, unsure: 0 }, true]);
});

test('bad is asked for its reason; with several reasons a second b or Enter ends it', () => {
  const { room, sent } = roomOf([1]);
  room.bad();
  assert.equal(room.choosing, true);
  room.pickReason('ghosts', true);
  room.pickReason('seeing', true);
  room.pickReason('ghosts', true);
  room.bad();
  assert.deepEqual(sent[0][1].reasons, ['seeing']);
});

// What a room says to its user while `act` runs.
function said(act) {
  const words = [], note = event => words.push(event.detail);
  window.addEventListener('triptych-toast', note);
  act();
  window.removeEventListener('triptych-toast', note);
  return words.join(' ');
}

test('bad without a reason is no vote, neither by a second b nor by Enter', () => {
  const { room, sent } = roomOf([1]);
  room.bad();
  assert.match(said(() => room.bad()), /Choose a reason/);
  assert.match(said(() => room.judge('bad')), /Choose a reason/);
  assert.deepEqual([sent, room.expnum, room.choosing], [[], 1, true]);
});

test('a picture that was hardly on screen, or not yet, is not judged', () => {
  const { room, sent } = roomOf([1, 2]);
  room.shownAt = performance.now();
  assert.match(said(() => room.judge('good')), /hardly on screen/);
  assert.match(said(() => room.pickReason('seeing', false)), /hardly on screen/);
  room.shownAt = null;
  assert.match(said(() => room.judge('unsure')), /still on its way/);
  assert.deepEqual([sent, room.expnum, room.reasons.size], [[], 1, 0]);
  room.mosaic.root = { dataset: { state: 'none' } };   // a run with votes and labels only
  room.judge('good');
  assert.equal(sent.length, 1);
});

test('one reason alone votes at once, with the CCDs that are ticked', () => {
  const { room, sent } = roomOf([1]);
  room.ticked.add('N1');
  room.bad();
  room.pickReason('ghosts', false);
  assert.deepEqual([sent[0][1].judgement, sent[0][1].reasons, sent[0][1].ccdnames], ['bad', ['ghosts'], ['N1']]);
});

test('ticks and reasons belong to bad only', () => {
  const { room, sent } = roomOf([1, 2]);
  room.ticked.add('N1');
  room.reasons.add('ghosts');
  room.judge('good');
  assert.deepEqual([sent[0][1].reasons, sent[0][1].ccdnames], [[], []]);
});

test('whoever may not vote does not', () => {
  const { room, sent } = roomOf([1]);
  room.canVote = false;
  for (const act of [() => room.judge('good'), () => room.bad()]) assert.match(said(act), /do not vote/);
  assert.deepEqual([sent, room.choosing], [[], undefined]);
});

test('votes are counted once an exposure', () => {
  const { room } = roomOf([1, 2]);
  room.judge('unsure');
  assert.deepEqual(room.said, { n: 1, unsure: 1 });
  room.open(1);
  room.judge('good');
  assert.deepEqual(room.said, { n: 1, unsure: 0 });
  assert.deepEqual(room.votes.map(vote => [vote.expnum, vote.judgement, vote.before?.judgement]), [[1, 'good', 'unsure']]);
});

test('a vote that has not left is dropped, the exposure comes back first', () => {
  const { room, sent } = roomOf([1, 2, 3]);
  room.judge('good');
  room.undo();
  assert.deepEqual([room.queue, room.expnum, room.votes, room.said.n], [[1, 2, 3], 1, [], 0]);
  assert.equal(sent.length, 1);
});

test('a vote that is on disk is taken back by a letter', () => {
  const { room, sent } = roomOf([1, 2], { unsent: false });
  room.judge('good');
  room.undo();
  assert.deepEqual(sent[1], ['api/undo', { expnum: 1, undoes: sent[0][1].client_vote_id }]);
});

test('the vote before it counts again', () => {
  const { room } = roomOf([1, 2]);
  room.judge('unsure');
  room.open(1);
  room.judge('good');
  room.undo();
  assert.deepEqual(room.votes.map(vote => vote.judgement), ['unsure']);
  assert.deepEqual([room.said, room.facts.get(1).voted, room.queue], [{ n: 1, unsure: 1 }, true, [2]]);
});

test('a bulk vote is taken back as a whole', () => {
  const { room, sent } = roomOf([9], { unsent: false });
  room.votes = [{ expnum: 1, batch_id: 'b', judgement: 'bad', order: -1 }, { expnum: 2, batch_id: 'b', judgement: 'bad', order: -2 }, { expnum: 3, judgement: 'good', order: -3 }];
  room.said = { n: 3, unsure: 0 };
  room.undo();
  assert.deepEqual([room.votes.map(vote => vote.expnum), room.said.n], [[3], 1]);
  assert.deepEqual(sent, [['api/undo', { batch_id: 'b' }]]);
});

test('a vote that was refused is none', () => {
  const { room, sent, opened } = roomOf([1, 2]);
  room.judge('unsure');
  room.refused(sent[0][1], 'there is no exposure 1');
  assert.deepEqual([room.votes, room.queue, room.said, room.facts.get(1).voted], [[], [1, 2], { n: 0, unsure: 0 }, false]);
  assert.equal(opened.at(-1), 'The vote on 1 was refused: there is no exposure 1');
});

test('what the ticks say of the exposure, and what an earlier vote said', () => {
  const { room } = roomOf([1]);
  room.ticked.add('N1');
  assert.equal(room.rollUp().text, '1 of 3 CCDs bad');
  assert.equal(room.scopeOf({ expnum: 1, judgement: 'bad', ccdnames: ['N1', 'N2'] }), '2 of 3 CCDs bad');
  assert.equal(room.scopeOf({ expnum: 1, judgement: 'bad', ccdnames: [] }), 'bad');
  assert.equal(room.scopeOf({ expnum: 1, judgement: 'good', ccdnames: [] }), 'good');
});

test('whom to compare with: three labelled ones alike, and the one judged before', () => {
  const { room } = roomOf([1]);
  room.shown = { expnum: 1, neighbours: [11, 12, 13, 14].map(expnum => ({ expnum, reason: 'bad_seeing', ccdname: 'N1' })) };
  room.votes = [{ expnum: 1 }, { expnum: 7 }, { expnum: 8 }];
  assert.deepEqual(room.comparable().map(({ expnum }) => expnum), [11, 12, 13, 7]);
  assert.equal(room.comparable()[0].words, 'labelled bad seeing; its N1 is alike');
});

test('Enter that ends a composition does not end the note', () => {
  const { room } = roomOf([1]);
  const input = { focus() {}, blur() {}, value: '' }, note = { hidden: true, querySelector: () => input };
  room.part = () => note;
  room.write();
  const press = more => input.onkeydown({ key: 'Enter', keyCode: 13, stopPropagation() {}, ...more });
  input.value = '星';
  press({ isComposing: true });
  press({ keyCode: 229 });
  assert.deepEqual([note.hidden, room.comment], [false, '']);
  press({});
  assert.deepEqual([note.hidden, room.comment], [true, '星']);
});

const theirs = { client_vote_id: 'other tab', expnum: 1, judgement: 'bad', reasons: ['Bad_CCD'], ccdnames: [] };

test('a vote given in another tab leaves this queue and the screen, and counts here', () => {
  const { room, opened } = roomOf([1, 2]);
  const words = said(() => room.saved(theirs, { vote_id: 5, replaced: null }));
  assert.match(words, /You judged 1 in another tab: bad \(Bad CCD\)/);
  assert.deepEqual([room.queue, room.expnum, room.said.n, room.votes[0].vote_id, room.facts.get(1).voted, opened], [[2], 2, 1, 5, true, [2]]);
  room.saved(theirs, { vote_id: 5 });
  assert.equal(room.said.n, 1, 'once');
});

test('what was begun here stays on screen', () => {
  const { room } = roomOf([1, 2]);
  room.ticked.add('N1');
  room.saved(theirs, { vote_id: 5 });
  assert.deepEqual([room.expnum, room.queue, [...room.ticked]], [1, [2], ['N1']]);
});

test('a vote that was stored and is being taken back does not come back', () => {
  const { room } = roomOf([1, 2]);
  room.outbox.waiting = [{ expnum: 1, undoes: 'other tab' }];
  room.saved(theirs, { vote_id: 5 });
  assert.deepEqual([room.votes, room.queue], [[], [1, 2]]);
});

test('a vote taken back in another tab is read again here', () => {
  const { room, opened } = roomOf([2]);
  room.votes = [theirs, { client_vote_id: 'mine', expnum: 9 }];
  room.saved({ expnum: 1, undoes: 'other tab' }, { expnum: 1, votes: [] });
  assert.deepEqual(opened, ['load']);
});

test('replacing an own vote says so, also one that only the server knew of', () => {
  const { room, sent, opened } = roomOf([1, 2, 3]);
  room.judge('unsure');
  room.open(1);
  assert.match(said(() => room.judge('good')), /It replaces your vote on 1: unsure\. z brings that back/);
  room.open(2);
  assert.equal(said(() => room.judge('good')), '');
  const [, body] = sent.at(-1);
  const words = said(() => room.saved(body, { vote_id: 6, replaced: { judgement: 'bad', reasons: ['PSF'], expnum: 2 } }));
  assert.match(words, /It replaces your vote on 2: bad \(PSF\)/);
  assert.equal(opened.at(-1), 'load', 'what this page counts is read again');
});

const opinion = { N1: { p_bad: 0.9, bad_reason: 'ghosts' }, N2: { p_bad: 0.8, bad_reason: 'amplifier' }, N3: { p_bad: 0.1, bad_reason: 'ghosts' } };

test('a reason that is on CCDs ticks those that the model suspects, and waits for Enter', () => {
  const { room, sent } = roomOf([1]);
  room.shown = { expnum: 1, model: { ccds: opinion } };
  room.pickReason('amplifier', false);
  assert.deepEqual([sent, room.choosing, [...room.ticked]], [[], true, ['N2']]);
  assert.match(room.hintHtml(), /amplifier: 1 of 3 CCDs bad, those that the model suspects.*Enter.*saves/s);
  room.pickReason('ghosts', true);
  assert.deepEqual([...room.ticked].sort(), ['N1', 'N2'], 'those of either');
  room.judge('bad');
  assert.deepEqual([sent[0][1].reasons, sent[0][1].ccdnames], [['amplifier', 'ghosts'], ['N1', 'N2']]);
});

test('where the model calls most of the exposure bad for another reason, nothing is ticked', () => {
  const { room } = roomOf([1]);
  const fringes = chance => ({ p_bad: chance, bad_reason: 'fringes' });
  room.shown = { expnum: 1, model: { ccds: { N1: fringes(1), N2: fringes(1), N3: fringes(0.1) } } };
  room.pickReason('ghosts', false);
  assert.deepEqual([...room.ticked], []);
  room.leaveChoice();
  room.shown.model.ccds.N2 = fringes(0.2);
  room.pickReason('ghosts', false);
  assert.deepEqual([...room.ticked], ['N1'], 'a single one is worth a look, whatever it is called');
});

test('beside a reason of the whole exposure nothing is ticked beforehand, and what the user ticked stays', () => {
  const { room, sent } = roomOf([1, 2]);
  room.shown = { expnum: 1, model: { ccds: opinion } };
  room.bad();
  room.pickReason('ghosts', true);
  room.pickReason('clouds', true);
  assert.deepEqual([...room.ticked], []);
  room.judge('bad');
  room.bad();
  room.ticked.add('N3');
  room.pickReason('ghosts', false);
  assert.deepEqual(sent.map(([, vote]) => vote.ccdnames), [[], ['N3']]);
});

test('nothing condemns all CCDs unasked, also where the model’s opinion is hidden', () => {
  const { room, sent } = roomOf([1]);
  room.pickReason('ghosts', false);
  assert.match(room.hintHtml(), /ghosts.*on which CCDs/s);
  assert.match(said(() => room.judge('bad')), /On which CCDs/);
  assert.deepEqual(sent, []);
  room.ticked = new Set(['N1', 'N2', 'N3']);   // t
  room.judge('bad');
  assert.equal(room.scopeOf(sent[0][1]), 'bad', 'the whole exposure');
});

test('Escape takes back what was ticked beforehand', () => {
  const { room } = roomOf([1]);
  room.shown = { expnum: 1, model: { ccds: opinion } };
  room.pickReason('ghosts', false);
  room.leaveChoice();
  assert.deepEqual([room.choosing, room.reasons.size, [...room.ticked]], [false, 0, []]);
});
