import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { evidenceHtml, evidencePictures, thumbnail } = await import('../../../static/evidence/evidence.js');
const { setPictures } = await import('../../../static/basics/has_pictures.js');

const HOW = { colours: { ghosts: '#f00' }, stretch: 'faint', version: 'v1' };
const MODEL = {
  ccds: { N1: { p_bad: 0.9, bad_reason: 'ghosts', sampled: true }, N2: { p_bad: 0.6, bad_reason: 'bad_seeing', sampled: true }, N3: { p_bad: 0.1, bad_reason: 'ghosts', sampled: true } },
  is_candidate: true, exposure_probability: 0.876, reasons: 'ghosts', taught: 300, rule: 'two_ccds', asks: { whole: false, needed: 2, above: 0.5 }, n_bad: 2, n_counted: 3,
};
const neighbour = (image_id, expnum) => ({ image_id, expnum, ccdname: 'S1', reason: 'ghosts', distance: 0.5, of_ccdname: 'N1' });

test('an opinion is hidden before the vote, and said when there is none', () => {
  assert.match(evidenceHtml({ model: null, assisted: false, voted: false }, HOW), /hidden until you have voted/);
  assert.match(evidenceHtml({ model: null, assisted: true, voted: false }, HOW), /no predictions for this exposure yet/);
});

test('why a candidate is here', () => {
  const html = evidenceHtml({ model: MODEL, assisted: true }, HOW);
  assert.match(html, /Why it is here/);
  assert.match(html, /exposure <b>0.88<\/b> bad: /);
  assert.match(html, /rule <b>two_ccds<\/b> asks for 2 of 3 CCDs above 0.50; <b>2<\/b> are/);
  assert.match(html, /data-text="2 of 3"/);
  assert.doesNotMatch(html, /Calibrated/);
  assert.match(evidenceHtml({ model: { ...MODEL, is_candidate: false }, assisted: true }, HOW), /Why it is not flagged/);
});

test('how far the number can be believed', () => {
  const of = taught => evidenceHtml({ model: { ...MODEL, taught }, assisted: true }, HOW);
  assert.match(of(0), /Not calibrated/);
  assert.match(of(99), /Calibrated on 99 labelled exposures/);
  assert.doesNotMatch(of(100), /alibrated/);
});

test('a rule for the whole exposure shows its cut', () => {
  const html = evidenceHtml({ model: { ...MODEL, asks: { whole: true, above: 0.333 } }, assisted: true }, HOW);
  assert.match(html, /<s style="left:33.3%"/);
  assert.match(html, /asks for over 0.33/);
});

test('the nearest six labelled, and their pictures loaded ahead', () => {
  setPictures('-3');
  const neighbours = [1, 2, 3, 4, 5, 6, 7].map(expnum => neighbour(100 * expnum + 1, expnum));
  assert.deepEqual(evidencePictures({ neighbours }, HOW), [101, 201, 401, 501, 601].map(id => `picture/thumb/${id}?s=faint&v=v1`));
  const html = evidenceHtml({ model: MODEL, assisted: true, neighbours }, HOW);
  assert.equal([...html.matchAll(/<figure>/g)].length, 6);
  assert.equal([...html.matchAll(/class="no-picture"/g)].length, 1);
  assert.deepEqual(evidencePictures({}, HOW), []);
  assert.equal(thumbnail(7, 'sky', 2), 'picture/thumb/7?s=sky&v=2');
});

test('the votes of others come with the own one', () => {
  const vote = (inspector, judgement) => ({ inspector, judgement, reasons: [], comment: '<i>' });
  assert.doesNotMatch(evidenceHtml({ model: MODEL, others: [vote('bob', 'bad')] }, HOW), /bob/);
  const html = evidenceHtml({ model: MODEL, mine: vote('', 'good'), others: [vote('bob', 'bad')], verdict: { verdict: 'split' } }, HOW);
  assert.match(html, /Verdict split/);
  assert.match(html, /you: <b>good<\/b>/);
  assert.match(html, /bob: <b>bad<\/b>/);
  assert.match(html, /&#60;i&#62;/);
  assert.match(evidenceHtml({ model: MODEL, mine: vote('', 'good'), others: [] }, HOW), /nobody else has voted yet/);
});

test('a verdict that a lead decided says so', () => {
  const answer = { mine: { judgement: 'bad', reasons: [] }, others: [{ inspector: 'ben', judgement: 'unsure', reasons: [] }], voted: true, verdict: { verdict: 'bad', adjudicated: true, lead: 'l<ea' } };
  assert.match(evidenceHtml(answer, HOW), /Verdict bad <span class="of">decided by l&#60;ea, a lead/);
  assert.doesNotMatch(evidenceHtml({ ...answer, verdict: { ...answer.verdict, adjudicated: false, lead: '' } }, HOW), /decided by/);
});
