import { answers, json } from '../browser.js';
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

globalThis.KeyboardEvent = class extends Event {
  constructor(type, { key, code = '', shiftKey = false, ctrlKey = false, repeat = false, isComposing = false, keyCode = 0, ...more }) {
    super(type, more);
    Object.assign(this, { key, code, shiftKey, ctrlKey, repeat, metaKey: false, altKey: false, isComposing, keyCode });
  }
};
globalThis.ShadowRoot = class {};
globalThis.MutationObserver = class { observe() {} disconnect() {} };
document.body.querySelectorAll = () => [];
document.body.dataset = { room: 'review', user: 'ann' };

const { bareKey, capOf, changeKeys, changedKeys, isTyping, keyOf, listen, meantKey, ownKey, rest, sayUnknownKeys, startKeys } = await import('../../../static/frame/keys.js');

// A key pressed on the page, in an element with this tag. The keys that were heard, by a room that uses them all.
function press(key, { tag = 'DIV', uses = true, ...more } = {}) {
  const heard = [];
  const stop = listen((one, event) => { heard.push(event.shiftKey ? `shift ${one}` : one); return uses; });
  const from = { tagName: tag, dispatchEvent: again => send(again) };
  const send = event => {
    Object.defineProperty(event, 'composedPath', { value: () => [from] });
    window.dispatchEvent(event);
    return event;
  };
  const event = send(new KeyboardEvent('keydown', { key, cancelable: true, ...more }));
  stop();
  return { heard, used: event.defaultPrevented };
}

afterEach(() => { changeKeys({}); rest(false); });

test('the cap of a key and the key of a cap', () => {
  for (const [key, cap] of [['E', '⇧E'], ['ArrowLeft', '←'], [' ', 'space'], ['Escape', 'Esc'], ['g', 'g'], ['-', '-']]) {
    assert.equal(capOf(key), cap);
    assert.equal(keyOf(cap), key);
  }
  assert.deepEqual(['⇧ drag', '…', '⇧', 'drag'].map(keyOf), ['', '', '', '']);
});

test('a room hears keys, but not what somebody types', () => {
  assert.deepEqual(press('g'), { heard: ['g'], used: true });
  assert.deepEqual(press('g', { uses: false }), { heard: ['g'], used: false });
  assert.deepEqual(press('g', { tag: 'INPUT' }).heard, []);
  assert.deepEqual(press('g', { ctrlKey: true }).heard, []);
  assert.deepEqual(press('g', { repeat: true }).heard, []);
});

test('one key does one thing', () => {
  const order = [];
  const stop = [listen(() => { order.push('first'); return false; }), listen(() => { order.push('second'); return true; }), listen(() => { order.push('third'); return true; })];
  press('g');
  stop.forEach(end => end());
  assert.deepEqual(order, ['first', 'second']);
});

test('typing is in fields and in what can be edited', () => {
  const from = node => ({ composedPath: () => [node] });
  assert.equal(isTyping(from({ tagName: 'TEXTAREA' })), true);
  assert.equal(isTyping(from({ tagName: 'DIV', isContentEditable: true })), true);
  assert.equal(isTyping(from({ tagName: 'BUTTON' })), false);
});

test('an own key does what the key of the program does; that key does nothing', () => {
  changeKeys({ review: { g: 'k' } });
  assert.deepEqual(press('k').heard, ['g']);
  assert.deepEqual(press('g').heard, []);
  assert.deepEqual(press('b').heard, ['b']);
  assert.equal(ownKey('g'), 'k');
  assert.equal(ownKey('b'), 'b');
});

test('two keys can change places', () => {
  changeKeys({ review: { g: 'b', b: 'g' } });
  assert.deepEqual(press('b').heard, ['g']);
  assert.deepEqual(press('g').heard, ['b']);
});

test('a key that is turned off does nothing', () => {
  changeKeys({ review: { u: '' } });
  assert.deepEqual(press('u').heard, []);
  assert.equal(ownKey('u'), '');
});

test('keys are changed for their room; those of everywhere give way to them', () => {
  changeKeys({ everywhere: { '/': 'f' }, clusters: { '/': 'p', o: 'x' } });
  assert.deepEqual(press('x').heard, ['x']);
  assert.deepEqual([ownKey('/'), ownKey('/', 'clusters'), ownKey('o', 'clusters')], ['f', 'p', 'x']);
});

test('with Shift an own key means the same with Shift', () => {
  changeKeys({ review: { 1: 'q', e: 'y' } });
  assert.deepEqual(press('Q', { code: 'KeyQ', shiftKey: true }).heard, ['shift 1']);
  assert.deepEqual(press('Y', { code: 'KeyY', shiftKey: true }).heard, ['shift E']);
});

test('while a key is chosen nothing is heard', () => {
  rest(true);
  assert.deepEqual(press('g').heard, []);
});

test('keys are as they were last time until the server has answered', async () => {
  localStorage.setItem('triptych-keys-ann', '{"review":{"g":"j"}}');
  let release;
  answers(() => new Promise(resolve => { release = resolve; }));
  const started = startKeys();
  assert.equal(ownKey('g'), 'j');
  release(json({ keys: { review: { g: 'm' } } }));
  await started;
  assert.equal(ownKey('g'), 'm');
  assert.equal(localStorage.getItem('triptych-keys-ann'), '{"review":{"g":"m"}}');
});

test('what is handed out is a copy', () => {
  changeKeys({ review: { g: 'j' } });
  changedKeys().review.g = 'x';
  assert.equal(ownKey('g'), 'j');
});

const key = (written, code, more = {}) => new KeyboardEvent('keydown', { key: written, code, ...more });
const meant = (...given) => meantKey(key(...given));
const shift = { shiftKey: true };

test('digits are those of their row, whatever a layout writes there', () => {
  for (const [layout, row] of Object.entries({ american: '1234567890', azerty: '&é"\'(-è_çà', czech: '+ěščřžýáíé' })) {
    const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0].map(digit => `Digit${digit}`);
    assert.equal([...row].map((written, k) => meant(written, codes[k])).join(''), '1234567890', layout);
  }
  assert.deepEqual([meant('-', 'Minus'), meant(')', 'Minus'), meant('ß', 'Minus'), meant('-', 'NumpadSubtract'), meant('-', 'Slash'), meant('+', 'Minus')], ['-', '-', '-', '-', '-', '+']);
  assert.deepEqual([meant('/', 'Digit7', shift), meant('=', 'Digit0', shift), meant('6', 'Digit6', shift)], ['/', '=', '6'], 'signs above digits stay');
});

test('a letter of another alphabet is the Latin one of its place', () => {
  assert.deepEqual([meant('п', 'KeyG'), meant('и', 'KeyB'), meant('г', 'KeyU'), meant('γ', 'KeyG'), meant('ı', 'KeyI'), meant('ｇ', 'KeyG')], ['g', 'b', 'u', 'g', 'i', 'g']);
  assert.deepEqual([meant('К', 'KeyR', shift), meant('б', 'Comma'), meant('ю', 'Period'), meant('Б', 'Comma', shift), meant('ж', 'Semicolon')], ['R', ',', '.', '<', ';']);
  assert.equal(meant('z', 'KeyY'), 'z', 'a Latin letter is what it says, wherever it is');
  assert.equal(meant('ö', 'Semicolon'), 'ö');
  assert.deepEqual(press('п', { code: 'KeyG' }).heard, ['g']);
});

test('CapsLock changes nothing', () => {
  assert.deepEqual([meant('G', 'KeyG'), meant('g', 'KeyG', shift), meant('G', 'KeyG', shift)], ['g', 'G', 'G']);
  assert.deepEqual(press('G', { code: 'KeyG' }).heard, ['g']);
});

test('a key without its Shift', () => {
  assert.deepEqual([['!', 'Digit1'], ['1', 'Digit1'], ['_', 'Minus'], ['°', 'Minus'], ['Z', 'KeyY']].map(([written, code]) => bareKey(key(written, code, shift))), ['1', '1', '-', '-', 'z']);
  assert.equal(bareKey(key('5', 'Digit5')), '5');
});

test('own keys work on other layouts and with CapsLock', () => {
  changeKeys({ review: { g: 'k', u: 'é' } });
  assert.deepEqual([press('л', { code: 'KeyK' }).heard, press('K', { code: 'KeyK' }).heard, press('é', { code: 'Digit2' }).heard], [['g'], ['g'], ['u']]);
});

test('keys of a composition are the input method’s', () => {
  assert.deepEqual(press('Enter', { isComposing: true }).heard, []);
  assert.deepEqual(press('Enter', { keyCode: 229 }).heard, []);
});

test('a key that does nothing says so', () => {
  const said = [], note = event => said.push(event.detail);
  window.addEventListener('triptych-toast', note);
  const stop = listen(one => one === 'g');
  const end = sayUnknownKeys();
  const send = (written, more = {}) => {
    const event = key(written, '', { cancelable: true, ...more });
    Object.defineProperty(event, 'composedPath', { value: () => [{ tagName: more.tag ?? 'DIV' }] });
    window.dispatchEvent(event);
  };
  for (const written of ['g', 'ö', 'Shift', 'F5', ' ']) send(written);
  send('x', { tag: 'INPUT' });
  send('c', { ctrlKey: true });
  changeKeys({ review: { u: '' } });
  send('u');
  end();
  stop();
  window.removeEventListener('triptych-toast', note);
  assert.deepEqual(said, ['“ö” does nothing here. Press ? for the keys.', '“u” does nothing here. Press ? for the keys.']);
});
