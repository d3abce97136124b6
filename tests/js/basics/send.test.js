import { answers, json } from '../browser.js';
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

const { send, sendJson, whyNot } = await import('../../../static/basics/send.js');

afterEach(() => { delete document.body.dataset.user; });

test('what is sent names the user of the page', async () => {
  document.body.dataset.user = 'Zoë';
  const asked = answers(json({ n: 1 }), json({}));
  assert.deepEqual(await sendJson('api/votes', { expnums: [1] }), { n: 1 });
  await send('api/vote', {}, { user: 'ann' });
  assert.deepEqual(asked.map(({ options }) => options.headers['X-Triptych-User']), ['Zo%C3%AB', 'ann']);
  assert.deepEqual([asked[0].options.method, asked[0].options.body], ['POST', '{"expnums":[1]}']);
});

test('a refusal is one line that says why', async () => {
  assert.equal(await whyNot(new Response("409 this page is amy's\n", { status: 409 })), "this page is amy's");
  assert.equal(await whyNot(new Response('<html>', { status: 502 })), 'the server answered 502');
  assert.match(await whyNot(new Response('403 log in first', { status: 403 })), /log in again/);
  assert.equal(await whyNot(new Response('403 only for lead', { status: 403 })), 'only for lead');
  answers(new Response('400 no such reason', { status: 400 }));
  await assert.rejects(sendJson('/a', {}), { message: 'no such reason' });
});
