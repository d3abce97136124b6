import { answers, json, settled } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { askFor, read } = await import('../../../static/basics/ask.js');

const press = type => window.dispatchEvent(new Event(type));

async function isDone(promise) {
  let done = false;
  promise.then(() => { done = true; });
  await settled();
  return done;
}

test('an answer is handed on at once while nothing is pressed', async () => {
  assert.deepEqual(await read(json({ a: 1 })), { a: 1 });
});

test('while something is pressed it waits for the release', async () => {
  press('pointerdown');
  const answer = read(json([2]));
  assert.equal(await isDone(answer), false);
  press('pointerup');
  assert.deepEqual(await answer, [2]);
});

test('a press that goes astray ends with the next move of the free pointer', async () => {
  press('pointerdown');
  const answer = read(json([3]));
  window.dispatchEvent(Object.assign(new Event('pointermove'), { buttons: 1 }));
  assert.equal(await isDone(answer), false);
  window.dispatchEvent(Object.assign(new Event('pointermove'), { buttons: 0 }));
  assert.equal(await isDone(answer), true);
  assert.deepEqual(await answer, [3]);
});

test('a question without a body is read, one with a body is posted', async () => {
  const asked = answers(json({ n: 1 }), json({ n: 2 }));
  assert.deepEqual(await askFor('/a'), { n: 1 });
  assert.deepEqual(await askFor('/b', { expnum: null }), { n: 2 });
  assert.equal(asked[0].options.method, undefined);
  assert.deepEqual([asked[1].options.method, asked[1].options.body], ['POST', '{"expnum":null}']);
});

test('no answer is null, whatever the reason', async () => {
  answers(new TypeError(''), json({ n: 1 }, 500), new Response('not json'));
  assert.deepEqual([await askFor('/a'), await askFor('/a'), await askFor('/a')], [null, null, null]);
});
