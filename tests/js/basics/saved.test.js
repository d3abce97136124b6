import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { savedWords } = await import('../../../static/basics/saved.js');

const votes = (waiting, problem = '') => new Map([['vote', { waiting, problem }]]);
const says = (state, boxes = votes(0), more = {}) => savedWords({ state, boxes, ...more }).text;

test('with a connection it says what is saved', () => {
  assert.deepEqual(savedWords({ state: 'open', boxes: new Map() }), { mood: '', text: '' });
  assert.deepEqual(savedWords({ state: 'open', boxes: votes(0) }), { mood: 'saved', text: 'saved' });
  assert.deepEqual(savedWords({ state: 'open', boxes: votes(2) }), { mood: 'waiting', text: 'saving 2 votes' });
  assert.deepEqual(savedWords({ state: 'open', boxes: votes(1, 'log in again') }), { mood: 'lost', text: '1 vote not saved: log in again' });
});

test('without one it says what it waits for and where votes are', () => {
  assert.equal(says('lost'), 'waiting for the server · votes kept in browser');
  assert.equal(says('lost', votes(1)), 'waiting for the server · 1 vote kept in browser');
  assert.equal(says('lost', new Map([...votes(2), ['decision', { waiting: 1, problem: '' }]])), 'waiting for the server · 2 votes, 1 decision kept in browser');
  assert.equal(says('open', votes(5, 'no connection')), says('lost', votes(5)));
});

test('what the browser could not store waits only in the page', () => {
  assert.equal(says('lost', votes(2), { onlyHere: true }), 'waiting for the server · 2 votes only in this page');
});

test('before the page is left it says what still holds it', () => {
  assert.equal(says('gone'), 'loading the page again · votes kept in browser');
  assert.equal(says('gone', votes(0), { busy: true }), 'loading the page again · finish or close what is open');
  assert.equal(says('ended', votes(1)), 'your login has ended · 1 vote kept in browser');
});
