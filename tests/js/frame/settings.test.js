import { answers, json } from '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { keepSettings, settings } = await import('../../../static/frame/settings.js');

test('they are asked for once, and again after a failure', async () => {
  const asked = answers(new TypeError(''), json({ tour: '' }));
  assert.equal(await settings(), null);
  const [one, two] = await Promise.all([settings(), settings()]);
  assert.deepEqual(one, { tour: '' });
  assert.equal(two, one);
  assert.equal(asked.length, 2);
});

test('what is kept is what the next one reads', async () => {
  const asked = answers(json({ tour: 'seen' }));
  await keepSettings({ tour: 'seen' });
  assert.equal(asked[0].options.body, '{"tour":"seen"}');
  assert.deepEqual(await settings(), { tour: 'seen' });
  assert.equal(asked.length, 1);
});

test('why they were not kept', async () => {
  answers(new TypeError('fetch failed'), new Response('400 x is no key\n', { status: 400 }));
  await assert.rejects(keepSettings({ keys: {} }), { message: 'Not kept: no connection. Try again.' });
  await assert.rejects(keepSettings({ keys: {} }), { message: 'x is no key' });
  assert.deepEqual(await settings(), { tour: 'seen' });
});
