// @ts-check
// Which exposures of the run have pictures, so that nobody asks for one that is not there. The server says it with the
// page (data-pictures of the body, see app/dashboard.py) and again when the run changes (shell.js).
//
// As text: '' all have them, '+1 2' only these, '-1 2' all but these.

export const NO_PICTURES = 'No pictures of this exposure in this run: it has only the votes and labels that were imported. To add them: triptych ingest';
const CHANGED = 'triptych-pictures';

let listed = new Set(), only = false;

export function setPictures(text) {
  only = text.startsWith('+');
  listed = new Set(text.slice(1).split(' ').filter(Boolean).map(Number));
  window.dispatchEvent(new Event(CHANGED));
}

export const hasPictures = expnum => listed.has(Number(expnum)) === only;

export function onPictures(heard, signal) { window.addEventListener(CHANGED, heard, { signal }); }

// An <img> as HTML, or what stands in its place. decoding: 'sync' for the few that were loaded ahead, so that they are
// painted with what surrounds them.
export const pictureHtml = (expnum, address, more = '', decoding = 'async') =>
  (hasPictures(expnum) ? `<img src="${address}" ${more} decoding="${decoding}">` : '<span class="no-picture" role="img" aria-label="no picture" title="No picture in this run">–</span>');

setPictures(document.body.dataset.pictures ?? '');
