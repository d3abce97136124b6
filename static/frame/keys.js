// @ts-check
// Single-key shortcuts. They work everywhere on the page, except while the user types in a field, and never together with
// Ctrl, Alt or Meta.
//
// Which key is meant follows the keyboard's layout as far as that helps (`meantKey`): digits and, where a layout has no Latin
// letters, letters and signs are known by their place; CapsLock changes nothing.
//
// Each user may give an action another key, or no key. Rooms know only the standard keys. This module turns a user's own
// key into the standard key before any room gets it, and shows the own keys in the key caps on screen. So rooms need do
// nothing for it. shortcuts.js lists all keys.

import { ofThisRun } from '../basics/here.js';
import { settings } from './settings.js';

const EDITABLE = new Set(['INPUT', 'TEXTAREA', 'SELECT']);
const NAMES = { ArrowRight: '→', ArrowLeft: '←', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', ' ': 'space', Backspace: '⌫', Delete: 'Del' };
const KEYS_OF = new Map(Object.entries(NAMES).map(([key, cap]) => [cap, key]));
export const FIXED = new Set(['Enter', 'Escape', 'Tab', 'Shift', '?']);
export const EVERYWHERE = 'everywhere';

let changed = {};            // room -> {standard key: own key, '' = off}
let resting = false;
const ours = new WeakSet();  // events that this module made
const watched = new Map();   // root -> MutationObserver

// ---- which key is which

// The cap drawn for a key, and the key of a cap ('' for a cap that is not a key, such as `drag`).
export const capOf = key => (/^[A-Z]$/.test(key) ? `⇧${key}` : NAMES[key] ?? key);
export function keyOf(cap) {
  if (/^⇧[A-Z]$/.test(cap)) return cap[1];
  return KEYS_OF.get(cap) ?? (cap.length === 1 && cap !== '…' && cap !== '⇧' ? cap : '');
}

export const changedKeys = () => structuredClone(changed);
export const hereIs = () => document.body.dataset.room || '';
const inForce = room => ({ ...changed[EVERYWHERE], ...changed[room] });

// The user's own key for the standard key `key` in this room; '' if it is turned off.
export const ownKey = (key, room = hereIs()) => inForce(room)[key] ?? key;

export function changeKeys(keys) {
  changed = keys || {};
  try { localStorage.setItem(cacheName(), JSON.stringify(changed)); } catch { /* the server has them */ }
  for (const root of watched.keys()) watch(root);
}

// While the user chooses a new key, no key is translated and no room gets any.
export function rest(on) { resting = on; }

function cacheName() { return ofThisRun(`triptych-keys-${document.body.dataset.user || ''}`); }

// Uses the keys of the last visit until the server has answered.
export async function startKeys() {
  try { changed = JSON.parse(localStorage.getItem(cacheName())) || {}; } catch { /* none yet */ }
  relabel(document.body);
  const kept = await settings();
  if (kept) changeKeys(kept.keys);
}

// ---- which key is meant, on any layout

// Signs that do something somewhere: where a layout has one of them in place of a digit or of `-`, it stays what it is.
const SIGNS = new Set('?/<>+-_=;,.[]');
const PLACES = { Comma: ',<', Period: '.>', Slash: '/?', Semicolon: ';:', Minus: '-_', Equal: '=+', BracketLeft: '[{', BracketRight: ']}' };
const letterAt = code => /^Key([A-Z])$/.exec(code)?.[1] ?? '';
const digitAt = code => /^Digit([0-9])$/.exec(code)?.[1] ?? '';

// The key that an event means. Digits are those of their row, whatever an unshifted key there writes (AZERTY, Czech). A
// letter of another alphabet is the Latin one of its place. Shift alone makes a capital, never CapsLock.
export function meantKey(event) {
  if (ours.has(event)) return event.key;
  const { code = '', shiftKey } = event;
  if (digitAt(code) && !shiftKey) return digitAt(code);
  const key = event.key.length === 1 ? event.key.normalize('NFKC') : event.key;
  const cased = letter => (shiftKey ? letter.toUpperCase() : letter.toLowerCase());
  if (/^[a-z]$/i.test(key)) return cased(key);
  const strange = /^\p{L}\p{M}*$/u.test(key) || key === 'Process' || key === 'Unidentified';
  if (strange && letterAt(code)) return cased(letterAt(code));
  if (strange && code in PLACES && !/^\p{Script=Latin}/u.test(key)) return PLACES[code][shiftKey ? 1 : 0];
  return code === 'Minus' && !shiftKey && !SIGNS.has(key) ? '-' : key;
}

// The same key without Shift, which on a row of digits changes the sign.
export function bareKey(event) {
  const key = meantKey(event);
  if (/^[A-Z]$/.test(key)) return key.toLowerCase();
  return event.shiftKey ? digitAt(event.code) || (event.code === 'Minus' ? '-' : event.code === 'Space' ? ' ' : key) : key;
}

// Whether a key belongs to a composition (an input method): its Enter and Escape end that, and nothing else.
export const composing = event => event.isComposing || event.keyCode === 229;

// ---- from own keys to standard keys

const codeOf = key => (/^[0-9]$/.test(key) ? `Digit${key}` : /^[a-z]$/i.test(key) ? `Key${key.toUpperCase()}` : { '-': 'Minus', ' ': 'Space' }[key] ?? key);

function translate(event) {
  if (ours.has(event) || resting || unheard(event)) return;
  const mine = inForce(hereIs());
  if (!Object.keys(mine).length) return;
  const base = event.shiftKey ? bareKey(event) : '';
  const typed = /^[\x21-\x7e]$/.test(event.key) ? '' : event.key;   // a sign that only this layout has
  const meant = [meantKey(event), base, typed].filter(Boolean).map(key => [key, Object.keys(mine).find(own => mine[own] === key)]);
  const found = meant.find(([, own]) => own !== undefined);
  if (!found && !meant.some(([key]) => key in mine)) return;
  event.stopImmediatePropagation();
  if (!found) { sayUnknown(event); return; }
  const [pressed, own] = found;
  const key = event.shiftKey && pressed === base && /^[a-z]$/.test(own) ? own.toUpperCase() : own;
  const again = new KeyboardEvent('keydown', {
    key, code: codeOf(own), shiftKey: event.shiftKey || /^[A-Z]$/.test(own), repeat: event.repeat, bubbles: true, composed: true, cancelable: true,
  });
  ours.add(again);
  event.composedPath()[0].dispatchEvent(again);
  if (again.defaultPrevented) event.preventDefault();
}
window.addEventListener('keydown', translate, { capture: true });

// ---- key caps

const roomOf = node => {
  let here = node;
  while (here.getRootNode() instanceof ShadowRoot) here = here.getRootNode().host;
  return here.closest?.('main > section')?.id ?? null;
};

// Show own keys in the caps under `root`, also in caps that are drawn later.
export function relabel(root) {
  if (watched.has(root)) return;
  watched.set(root, null);
  watch(root);
}

function watch(root) {
  watched.get(root)?.disconnect();
  watched.set(root, null);
  capsIn(root).forEach(draw);
  if (!Object.values(changed).some(own => Object.keys(own).length)) return;
  const observer = new MutationObserver(records => {
    for (const { target, addedNodes } of records) {
      if (target instanceof Element && target.classList.contains('key')) draw(target);
      for (const node of addedNodes) if (node.nodeType === 1) capsIn(node).forEach(draw);
    }
  });
  observer.observe(root, { childList: true, subtree: true });
  watched.set(root, observer);
}

const capsIn = root => [...(root.matches?.('.key') ? [root] : []), ...root.querySelectorAll('.key')];

function draw(cap) {
  if (cap.closest('[data-own-keys]')) return;
  const now = cap.textContent;
  if (cap.dataset.cap === undefined || now !== cap.dataset.drawn) cap.dataset.cap = now;
  const key = keyOf(cap.dataset.cap);
  const mine = inForce(roomOf(cap) ?? hereIs());
  const own = key && key in mine ? mine[key] : null;
  cap.dataset.drawn = own === null ? cap.dataset.cap : own === '' ? '' : capOf(own);
  cap.hidden = own === '';
  if (now !== cap.dataset.drawn) cap.textContent = cap.dataset.drawn;
}

// ---- listening

export function isTyping(event) {
  const target = event.composedPath()[0];
  return Boolean(target && (EDITABLE.has(target.tagName) || target.isContentEditable));
}

const unheard = event => event.ctrlKey || event.metaKey || event.altKey || composing(event) || isTyping(event)
  || document.querySelector('dialog[open][data-own-keys]');   // such a dialog handles its keys itself

// handler(key, event) returns true when it used the key. Returns a function that stops listening.
export function listen(handler) {
  const heard = event => {
    if (event.repeat || resting || unheard(event)) return;
    if (handler(meantKey(event), event)) {
      event.preventDefault();
      event.stopImmediatePropagation();   // one key does one thing, even if two rooms use it
    }
  };
  window.addEventListener('keydown', heard, { capture: true });
  return () => window.removeEventListener('keydown', heard, { capture: true });
}

// ---- keys that nobody uses

// Says so when a key that writes something does nothing. Call it after the rooms listen. Returns a function that ends it.
export function sayUnknownKeys() {
  const heard = event => { if (!event.defaultPrevented && !event.repeat && !resting && !unheard(event)) sayUnknown(event); };
  window.addEventListener('keydown', heard);
  return () => window.removeEventListener('keydown', heard);
}

function sayUnknown(event) {
  const { key } = event;
  if (key === ' ' || (key.length > 1 && key !== 'Dead') || document.querySelector('dialog[open]')) return;
  const what = key === 'Dead' ? 'That key' : `“${key}”`;
  window.dispatchEvent(new CustomEvent('triptych-toast', { detail: `${what} does nothing here. Press ? for the keys.` }));
}
