import '../../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { nextInTime, runOf, stripHtml } = await import('../../../../static/rooms/review/around.js');

const one = (expnum, minutes, more = {}) => ({ expnum, minutes, band: 'g', same_field: true, same_band: true, mine: null, ...more });
const CONTEXT = [one(1, -12.4), one(2, -1.25), one(3, 0), one(4, 2, { mine: { judgement: 'bad', reasons: ['ghosts'] } }), one(5, 70, { same_band: false, band: 'r' })];
const HOW = { shown: 3, looks: new Map([[2, 1], [3, 2], [4, 1]]), colours: { ghosts: '#f00', good: '#0f0' }, stretch: 'faint', version: 'v', origin: 3 };

test('the exposure before and after, null at the ends and for a stranger', () => {
  assert.deepEqual([nextInTime(CONTEXT, 3, 1), nextInTime(CONTEXT, 3, -1), nextInTime(CONTEXT, 1, -1), nextInTime(CONTEXT, 5, 1), nextInTime(CONTEXT, 9, 1)], [4, 2, null, null, null]);
});

test('one vote takes those that were looked at and not judged', () => {
  assert.deepEqual(runOf(CONTEXT, HOW.looks).map(({ expnum }) => expnum), [2, 3]);
});

test('how far away in minutes', () => {
  const html = stripHtml(CONTEXT, HOW);
  assert.deepEqual([...html.matchAll(/<span>([^<]+)<\/span><\/button>/g)].map(found => found[1]), ['−12', '−1.3', 'now', '+2.0', '+70']);
});

test('which is shown, which were seen, and what was said', () => {
  const html = stripHtml(CONTEXT, HOW);
  assert.deepEqual([...html.matchAll(/data-look-at="(\d)" aria-current="true"/g)].map(found => found[1]), ['3']);
  assert.equal([...html.matchAll(/class="seen /g)].length, 3);
  assert.match(html, /background:#f00">b</);
  assert.match(html, /5: band r, same field, not looked at yet/);
  assert.match(html, /vote for 2</);
});

test('one that was looked at is no run, and nothing around is no strip', () => {
  assert.match(stripHtml(CONTEXT, { ...HOW, looks: new Map([[2, 1]]) }), /data-verb="run" disabled/);
  assert.equal(stripHtml([], HOW), '');
});
