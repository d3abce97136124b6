import '../../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { axisFrom, count, interval, inWords, months, range, spark, value, words } = await import('../../../../static/rooms/agreement/marks.js');

const NONE = { value: null, why: 'no exposure was judged twice', low: null, high: null, n: 0 };
const figure = (at, low = null, high = null, n = 50) => ({ value: at, low, high, n });
const lefts = html => [...html.matchAll(/left:([\d.]+)%/g)].map(found => Number(found[1]));

test('axes start at 0, or at the quarter below what reaches under it', () => {
  assert.equal(axisFrom([figure(0.6, 0.4, 0.8), NONE, undefined]), 0);
  assert.equal(axisFrom([figure(0.1, -0.01, 0.3)]), 0);
  assert.equal(axisFrom([figure(0.1, -0.1, 0.3)]), -0.25);
  assert.equal(axisFrom([figure(-0.3)]), -0.5);
  assert.equal(axisFrom([figure(-0.9, -1.7, 0)]), -1);
});

test('a figure in words', () => {
  assert.equal(inWords(figure(0.6543, 0.5, 0.755, 1234)), '0.65, 95 % interval 0.50 to 0.76, n = 1,234');
  assert.equal(inWords(figure(0.5)), '0.50, n = 50');
  assert.equal(inWords(NONE), 'no exposure was judged twice');
  assert.equal(value(figure(0.5)), '<b>0.50</b>');
  assert.match(value(NONE), />–</);
  assert.equal(interval(figure(0.5, 0.25, 1)), '<span class="to">0.25 to 1.00</span>');
  assert.equal(interval(figure(0.5)), '');
});

test('names and numbers as people write them', () => {
  assert.equal(words('bad_<seeing>'), 'bad &#60;seeing&#62;');
  assert.equal(count(1234567), '1,234,567');
});

test('a dot on its interval, on the axis', () => {
  const html = range(figure(0.5, 0.25, 0.75), 0);
  assert.deepEqual(lefts(html), [50, 25, 50]);       // the tick of 0.5, the whisker, the dot
  assert.match(html, /width:50%/);
  assert.deepEqual(lefts(range(figure(0, -0.5, 0.5), -1)), [50, 75, 25, 50]);
  assert.deepEqual(lefts(range(figure(-2, -3, 2), 0)), [50, 0, 0]);
});

test('two figures on one axis, and none', () => {
  const html = range(figure(0.25), 0, figure(0.75), 'night');
  assert.match(html, /class="range two"/);
  assert.match(html, /aria-label="night; 0.25, n = 50; bad: 0.75, n = 50"/);
  assert.deepEqual(lefts(html), [50, 25, 25, 75, 75]);
  assert.match(range(NONE), /class="range none"/);
  assert.deepEqual(lefts(range(NONE)), [50]);
});

test('months: a dot for each, a short stroke where there are too few', () => {
  const row = (group, alpha) => ({ group, n: 10, figures: { alpha } });
  const html = months([row('2013-12', figure(1)), row('2014-01', NONE), row('2014-02', figure(0, 0, 1))], 'alpha', 0);
  assert.deepEqual([...html.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(found => [Number(found[1]), Number(found[2])]), [[70, 12], [350, 90]]);
  assert.equal([...html.matchAll(/<g class="few">/g)].length, 1);
  assert.deepEqual([...html.matchAll(/>(\d{4})<\/text>/g)].map(found => found[1]), ['2013', '2014']);
  assert.match(html, /3 months from 2013-12 to 2014-02/);
});

test('the share of bad answers by hundred votes', () => {
  const block = (of, bad) => ({ of, n: 100, bad });
  assert.match(spark([block(1, figure(0.1, 0, 0.2, 100)), block(101, NONE)]), />100 so far</);
  assert.match(spark([block(1, NONE)]), />–</);
  const html = spark([block(1, figure(0, 0, 0.5)), block(101, figure(0.5, 0.25, 0.5))]);
  assert.match(html, /<polyline points="3,22 107,2"\/>/);
  assert.match(html, /<polygon points="3,2 107,2 107,12 3,22"\/>/);
  assert.match(html, /votes 101 on: 50 % bad of 100/);
});
