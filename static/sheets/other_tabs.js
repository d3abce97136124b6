// @ts-check
// Tabs of one person tell each other that something was judged in another way than through the outbox: a bulk vote, or one
// that was taken back. The outbox itself tells of each vote (frame/outbox.js).

import { ofThisRun } from '../basics/here.js';

const channels = new Map();   // user -> BroadcastChannel

function channel() {
  const user = document.body.dataset.user ?? '';
  if (!('BroadcastChannel' in window)) return null;
  if (!channels.has(user)) channels.set(user, new BroadcastChannel(ofThisRun(`triptych-judged-${user}`)));
  return channels.get(user);
}

export function tellOtherTabs() { channel()?.postMessage('judged'); }

// heard() is called when another tab of this user has judged. Returns a function that stops it.
export function whenJudgedElsewhere(heard) {
  const from = channel();
  from?.addEventListener('message', heard);
  return () => from?.removeEventListener('message', heard);
}
