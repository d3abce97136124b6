// @ts-check
// Which exposures of the run have pictures, so that the page asks for no picture that does not exist. The server says it
// with the page (data-pictures of the body, see app/dashboard.py) and again when the run changes (shell.js).
//
// As text: '' = all have pictures, '+1 2' = only exposures 1 and 2, '-1 2' = all except exposures 1 and 2.

export const NO_PICTURES = 'No pictures of this exposure in this run: it has only imported votes and labels. To add pictures: triptych ingest';
const CHANGED = 'triptych-pictures';

let listed = new Set(), only = false;

export function setPictures(text) {
  only = text.startsWith('+');
  listed = new Set(text.slice(1).split(' ').filter(Boolean).map(Number));
  window.dispatchEvent(new Event(CHANGED));
}

export const hasPictures = expnum => listed.has(Number(expnum)) === only;

export function onPictures(heard, signal) { window.addEventListener(CHANGED, heard, { signal }); }

// An <img> as HTML, or a dash if the exposure has no pictures. decoding : 'sync' for pictures that are loaded already, so
// that they appear together with the text around them.
export const pictureHtml = (expnum, address, more = '', decoding = 'async') =>
  (hasPictures(expnum) ? `<img src="${address}" ${more} decoding="${decoding}">` : '<span class="no-picture" role="img" aria-label="no picture" title="No picture in this run">–</span>');

setPictures(document.body.dataset.pictures ?? '');
