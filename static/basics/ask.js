// @ts-check
// Answers of the server that a room draws.
//
// A room that is drawn anew between press and release of a button swallows the click, as the button pressed is gone. So an
// answer is handed on only when nothing is pressed any more.

const MOST_MS = 3000;   // a scrollbar does not tell when it is let go

let release = () => {}, over = Promise.resolve();
window.addEventListener('pointerdown', () => {
  release();
  over = new Promise(resolve => { release = resolve; });
  setTimeout(release, MOST_MS);
}, true);
// the click comes after the release, and is heard first
for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, () => setTimeout(release), true);
window.addEventListener('pointermove', event => { if (!event.buttons) release(); }, true);

// What a response holds, once nothing is pressed.
export async function read(response) {
  const answer = await response.json();
  await over;
  return answer;
}

// The answer of an address (POST with a body), or null where there is none.
export async function askFor(url, body) {
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  try {
    const response = await fetch(url, body === undefined ? { headers: { Accept: 'application/json' } } : post);
    return response.ok ? await read(response) : null;
  } catch { return null; }
}
