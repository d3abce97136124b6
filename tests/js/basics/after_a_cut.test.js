import { settled } from '../browser.js';
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

let asked, given;
globalThis.fetch = async (url, options) => {
  asked.push([url, options?.method ?? 'GET']);
  const next = given.shift();
  if (next instanceof Error) throw next;
  return next;
};
globalThis.HTMLImageElement = class { };
document.querySelectorAll = () => [];
await import('../../../static/basics/after_a_cut.js');
const { line } = await import('../../../static/basics/lasting_socket.js');

const cut = () => new TypeError('Failed to fetch');
const later = () => new Promise(resolve => { setTimeout(resolve, 250); });

beforeEach(() => { [asked, given] = [[], []]; line.tell('open'); });

test('what was asked for without a connection is answered when it is back', async () => {
  line.tell('lost');
  given.push(cut(), 'answer');
  const answer = fetch('/api/queue');
  await later();
  assert.equal(asked.length, 1);
  line.tell('open');
  assert.equal(await answer, 'answer');
  assert.deepEqual(asked, [['/api/queue', 'GET'], ['/api/queue', 'GET']]);
});

test('a request that failed a moment before the cut was known waits, too', async () => {
  given.push(cut(), 'answer');
  const answer = fetch('/api/queue');
  await settled();
  line.tell('lost');
  await later();
  line.tell('open');
  assert.equal(await answer, 'answer');
});

test('a request that hung on a dead connection is ended when the line is back, and asked anew', async () => {
  line.tell('lost');
  let end;
  given.push({ then: (_, fails) => { end = fails; } }, 'answer');
  const answer = fetch('/api/queue');
  await settled();
  end(cut());
  line.tell('open');
  assert.equal(await answer, 'answer');
});

test('with a connection a failure is a failure', async () => {
  given.push(cut());
  await assert.rejects(fetch('/api/queue'), TypeError);
});

test('what changes something is not sent a second time', async () => {
  line.tell('lost');
  given.push(cut());
  await assert.rejects(fetch('/api/vote', { method: 'POST', body: '{}' }), TypeError);
});

test('nobody waits for what was called off', async () => {
  line.tell('lost');
  const off = new AbortController();
  given.push(cut(), 'answer');
  const answer = fetch('/picture', { signal: off.signal });
  await later();
  off.abort();
  line.tell('open');
  await assert.rejects(answer, { name: 'AbortError' });
  assert.equal(asked.length, 1);
});
