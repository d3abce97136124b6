import '../browser.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

document.body.dataset.pictures = '+7';
const { hasPictures, onPictures, pictureHtml, setPictures } = await import('../../../static/basics/has_pictures.js');

test('the page says at first which exposures have pictures', () => {
  assert.deepEqual([hasPictures(7), hasPictures('7'), hasPictures(8)], [true, true, false]);
});

test('all, only these, all but these', () => {
  setPictures('');
  assert.deepEqual([1, 2, 3].map(hasPictures), [true, true, true]);
  setPictures('+1 2');
  assert.deepEqual([1, 2, 3].map(hasPictures), [true, true, false]);
  setPictures('-1 2');
  assert.deepEqual([1, 2, 3].map(hasPictures), [false, false, true]);
  setPictures('+');
  assert.deepEqual([1, 2, 3].map(hasPictures), [false, false, false]);
});

test('a picture, or what stands in its place', () => {
  setPictures('-2');
  assert.equal(pictureHtml(1, '/a.jpg', 'alt="x"'), '<img src="/a.jpg" alt="x" decoding="async">');
  assert.equal(pictureHtml(1, '/a.jpg', '', 'sync'), '<img src="/a.jpg"  decoding="sync">');
  assert.match(pictureHtml(2, '/a.jpg'), /^<span class="no-picture".*>–<\/span>$/);
});

test('a change is heard until nobody listens any more', () => {
  const stop = new AbortController();
  let heard = 0;
  onPictures(() => { heard++; }, stop.signal);
  setPictures('');
  stop.abort();
  setPictures('');
  assert.equal(heard, 1);
});
