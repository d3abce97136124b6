import '../../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { bar, between, count, differenceText, figureText, pair, reasonsHtml, shift, some } = await import('../../../../static/rooms/model/marks.js');

const lefts = html => [...html.matchAll(/left:([\d.]+)%/g)].map(found => Number(found[1]));

test('counts with their noun', () => {
  assert.equal(some(1, 'exposure'), '1 exposure');
  assert.equal(some(2000, 'exposure'), '2,000 exposures');
  assert.equal(some(0, 'vote or label', 'votes and labels'), '0 votes and labels');
  assert.equal(count(null), '0');
});

test('a probability that moved: the cut, the way, where it was, where it is', () => {
  const html = shift(0.25, 0.75);
  assert.deepEqual(lefts(html), [50, 25, 25, 75]);
  assert.match(html, /class="shift up"/);
  assert.match(html, /width:50.0%/);
  assert.match(html, /0.25 before, 0.75 now/);
  assert.match(shift(0.75, 0.25, 0.3), /class="shift down"/);
  assert.deepEqual(lefts(shift(null, 0.5)), [50, 50, 50]);
  assert.match(shift(null, 0.5), /none before/);
});

test('a difference is good or bad only where its interval is clear of 0', () => {
  assert.equal(differenceText({ value: 0.1, low: 0.05, high: 0.2 }), '<span class="good">+0.10</span>');
  assert.equal(differenceText({ value: -0.1, low: -0.2, high: -0.05 }), '<span class="bad">−0.10</span>');
  assert.equal(differenceText({ value: 0.1, low: -0.05, high: 0.2 }), '<span class="muted">+0.10</span>');
  assert.equal(differenceText({ value: 0, low: 0, high: 0 }), '<span class="muted">±0.00</span>');
  assert.match(differenceText(null), /–/);
});

test('a figure before and now', () => {
  const html = pair({ before: { value: 0.5, low: 0.25, high: 0.75 }, after: null, difference: null }, 'F1');
  assert.deepEqual(lefts(html), [50, 25, 50]);
  assert.match(html, /F1: before 0.50, 95 % interval 0.25 to 0.75; now: not defined/);
  assert.equal(figureText({ value: 0.456 }), '<b>0.46</b>');
  assert.match(figureText(null), /–/);
  assert.equal(between({ low: 0, high: 1 }), '0.00 to 1.00');
});

test('a count as a bar with the earlier one as a tick', () => {
  const html = bar(50, 25, 200, '#f00', 'ghosts');
  assert.match(html, /width:25.0%;background:#f00/);
  assert.deepEqual(lefts(html), [12.5]);
  assert.match(html, /ghosts: 50 images now, 25 before/);
  assert.doesNotMatch(bar(50, null, 200, '#f00', 'ghosts'), /before|<s /);
});

test('reasons with their colours', () => {
  assert.match(reasonsHtml(['bad_seeing'], { bad_seeing: '#123' }), /background:#123"><\/i>bad seeing/);
  assert.match(reasonsHtml(['new'], {}), /var\(--muted\)/);
});
