import { settled } from '../browser.js';
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

let wires = [];

class Wire {
  constructor(address, protocols) { Object.assign(this, { address: new URL(address), protocols, sent: [], closed: false }); wires.push(this); }
  send(frame) { this.sent.push(frame); }
  close() { this.closed = true; }
  hear(data) { this.onmessage?.({ data }); }
  drop(code = 1006) { this.onclose?.({ code }); }
}
globalThis.WebSocket = Wire;
let fetched;
globalThis.fetch = (...more) => fetched(...more);
window.stop = () => { stopped += 1; };
document.readyState = 'complete';

const { LastingSocket, line } = await import('../../../static/basics/lasting_socket.js');

let asked, heard, socket, states, stop, stopped;
const wire = () => wires.at(-1);
const answer = status => { fetched = async url => { asked.push(url); if (!status) throw new TypeError('Failed to fetch'); return { status, ok: status < 300 }; }; };

// Everything that was begun has had its turn; time stands still unless it is told to pass.
const turn = async () => { for (let k = 0; k < 10; k++) await Promise.resolve(); };
const pass = async ms => { mock.timers.tick(ms); await turn(); };

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  mock.method(performance, 'now', () => Date.now());
  mock.method(AbortSignal, 'timeout', () => undefined);
  [wires, asked, heard, states, stopped] = [[], [], [], [], 0];
  answer(0);
  line.tell('open');
  socket = new LastingSocket('ws://here/ws?room=review', ['bokeh', 'token']);
  socket.onmessage = ({ data }) => heard.push(data);
  stop = line.listen(state => states.push(state));
  states.length = 0;
});

afterEach(() => { stop(); socket.stop(); mock.timers.reset(); mock.restoreAll(); });

async function opened() {
  wire().hear('~0');
  await turn();
  return wire();
}

// Lost, and back again: the server says how many of our frames it has.
async function comesBack(count) {
  answer(200);
  await pass(1000);
  wire().hear(`~${count}`);
  return wire();
}

test('it is the WebSocket that Bokeh finds, and names its line', async () => {
  assert.equal(globalThis.WebSocket, LastingSocket);
  let isOpen = false;
  socket.onopen = () => { isOpen = true; };
  assert.equal(socket.readyState, LastingSocket.CONNECTING);
  assert.equal(wire().address.searchParams.get('room'), 'review');
  assert.equal(wire().address.searchParams.get('line'), socket.id);
  assert.equal(wire().address.searchParams.has('again'), false);
  assert.deepEqual(wire().protocols, ['bokeh', 'token']);
  await opened();
  assert.ok(isOpen);
  assert.equal(socket.readyState, LastingSocket.OPEN);
});

test('what was said on both sides during a cut arrives once and in order', async () => {
  const first = await opened();
  for (const frame of ['a', 'b']) { socket.send(frame); first.hear(frame.toUpperCase()); }
  first.drop();
  socket.send('c');
  assert.deepEqual(states, ['lost']);
  assert.equal(socket.readyState, LastingSocket.OPEN, 'Bokeh hears nothing of it');
  const second = await comesBack(1);
  assert.equal(second.address.searchParams.get('again'), '2');
  assert.deepEqual(second.sent, ['b', 'c']);
  socket.send('d');
  second.hear('C');
  assert.deepEqual(second.sent, ['b', 'c', 'd']);
  assert.deepEqual(heard, ['A', 'B', 'C']);
  assert.deepEqual(states, ['lost', 'open']);
});

test('it connects only when the server answers, which it asks once a second', async () => {
  (await opened()).drop();
  await turn();
  await pass(1000);
  await pass(1000);
  assert.deepEqual(asked, ['login', 'login', 'login']);
  assert.equal(wires.length, 1);
  answer(503);
  await pass(1000);
  assert.equal(wires.length, 1, 'a server that is just starting');
  answer(200);
  await pass(1000);
  assert.equal(wires.length, 2);
});

test('questions overlap, because one over a dead connection gets no answer', async () => {
  const answers = [];
  fetched = () => new Promise(done => { answers.push(done); });
  (await opened()).drop();
  await pass(1000);
  await pass(1000);
  assert.equal(answers.length, 3);
  answers[2]({ status: 200, ok: true });
  answers[0]({ status: 200, ok: true });
  await turn();
  assert.equal(wires.length, 2, 'and one answer is enough');
});

test('a silent connection is left, and one that answers is kept', async () => {
  const first = await opened();
  for (let k = 0; k < 10; k++) {
    await pass(3000);
    assert.equal(first.sent.at(-1), '~0');
    first.hear('~0');
  }
  assert.deepEqual(states, []);
  await pass(3000);
  await pass(5000);
  assert.deepEqual(states, ['lost']);
  assert.ok(first.closed);
  assert.equal(stopped, 1, 'requests that hang with it are ended');
  first.hear('late');
  assert.deepEqual(heard, [], 'what still comes over it is sent again');
  const second = await comesBack(0);
  assert.equal(second.address.searchParams.get('again'), '0');
  assert.deepEqual(states, ['lost', 'open']);
  assert.equal(stopped, 2, 'and those that hung since then, too');
});

test('after a sleep the connection gets a moment to answer', async () => {
  const first = await opened();
  await pass(3000);
  mock.timers.setTime(Date.now() + 3_600_000);   // the timers are an hour late
  await turn();
  assert.deepEqual(states, []);
  first.hear('~0');
  await pass(1000);
  assert.deepEqual(states, []);
});

test('what the server has got is forgotten', async () => {
  const first = await opened();
  for (const frame of 'abc') socket.send(frame);
  first.hear('~2');
  assert.deepEqual(socket.sent, ['c']);
  first.drop();
  assert.deepEqual((await comesBack(2)).sent, ['c']);
});

for (const code of [4404, 1008]) {
  test(`a server that turns the line away (${code}) needs a new page`, async () => {
    (await opened()).drop();
    answer(200);
    await pass(1000);
    wire().drop(code);
    assert.deepEqual(states, ['lost', 'gone']);
    await pass(5000);
    assert.equal(wires.length, 2, 'it does not try again');
  });
}

test('a server that answers and opens no connection needs a new page, too', async () => {
  (await opened()).drop();
  answer(200);
  for (let k = 0; k < 3; k++) { await pass(1000); wire().drop(); }
  assert.deepEqual(states, ['lost', 'gone']);
});

test('a login that has ended is told apart', async () => {
  fetched = async url => (url === 'boot' ? { status: 403, ok: false } : { status: 200, ok: true });
  (await opened()).drop(1008);
  await turn();
  assert.deepEqual(states, ['lost', 'ended']);
});

test('a login that has ended is found out after a first refusal, too', async () => {
  (await opened()).drop();
  fetched = async url => (url === 'boot' ? { status: 403, ok: false } : { status: 200, ok: true });
  await pass(1000);
  wire().drop();
  await pass(1000);
  assert.deepEqual(states, ['lost', 'ended']);
});

test('a page that is left says nothing', async () => {
  const first = await opened();
  window.dispatchEvent(new Event('pagehide'));
  first.drop();
  await pass(1000);
  assert.deepEqual([states, asked], [[], []]);
  window.dispatchEvent(new Event('pageshow'));
  await turn();
  assert.deepEqual(states, ['lost'], 'but it goes on when the browser brings it back');
});

test('a first connection that fails is tried again as a first one', async () => {
  wire().drop();
  answer(200);
  for (let k = 0; k < 5; k++) { await pass(1000); wire().drop(); }
  await pass(1000);
  assert.equal(wire().address.searchParams.has('again'), false);
  await opened();
  assert.deepEqual(states, ['lost', 'open']);
});

test('values that the server may not have are known by name', async () => {
  await opened();
  const patch = (...events) => socket.send(JSON.stringify({ events }));
  const changed = (attr, value) => ({ kind: 'ModelChanged', model: { id: 'p1' }, attr, new: value });
  patch(changed('focus', 7));
  wire().hear('~1');
  patch(changed('room', 'review'), changed('focus', 8));
  patch({ kind: 'MessageSent', msg_data: {} }, changed('focus', 9));
  socket.send(new ArrayBuffer(3));
  assert.deepEqual(socket.unsent(), { room: 'review', focus: 9 });
});
