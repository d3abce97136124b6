// @ts-check
// What a user is typing, kept in this tab until it is sent or thrown away, so that a page that is loaded again has it.

const keyOf = name => `triptych-draft|${document.body.dataset.user}|${name}`;

// The draft of that name, '' = none.
export function draftOf(name) {
  try { return sessionStorage.getItem(keyOf(name)) ?? ''; } catch { return ''; }
}

// text : '' = forget it
export function keepDraft(name, text) {
  try {
    if (text) sessionStorage.setItem(keyOf(name), text);
    else sessionStorage.removeItem(keyOf(name));
  } catch { /* no storage: it is lost with the page */ }
}
