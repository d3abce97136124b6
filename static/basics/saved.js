// @ts-check
// The one line that says what is saved and, without a connection, what the page waits for.

const WAITING = 'waiting for the server';

const some = (n, of) => `${n} ${of}${n === 1 ? '' : 's'}`;

/**
 * Words for the line, and how they are meant: 'saved', 'waiting' or 'lost'. Nothing until an outbox has said what waits.
 * state : of the line (lasting_socket.js)
 * boxes : of → {waiting, problem}, of each outbox
 * onlyHere : whether something waits that the browser could not store
 * busy : whether something is open that would be lost if the page was left
 * @param {{ state: string, boxes: Map<string, { waiting: number, problem: string }>, onlyHere?: boolean, busy?: boolean }} what
 */
export function savedWords({ state, boxes, onlyHere = false, busy = false }) {
  const full = [...boxes].filter(([, box]) => box.waiting);
  const letters = full.map(([of, box]) => some(box.waiting, of)).join(', ');
  const where = onlyHere ? 'only in this page' : 'kept in browser';
  const kept = `${letters || 'votes'} ${where}`;
  const leaving = busy ? 'finish or close what is open' : kept;
  if (state === 'ended') return { mood: 'lost', text: `your login has ended · ${leaving}` };
  if (state === 'gone') return { mood: 'lost', text: `loading the page again · ${leaving}` };
  const problem = full.map(([, box]) => box.problem).find(Boolean);
  if (state === 'lost' || problem === 'no connection') return { mood: 'lost', text: `${WAITING} · ${kept}` };
  if (problem) return { mood: 'lost', text: `${letters} not saved: ${problem}` };
  if (!boxes.size) return { mood: '', text: '' };
  return letters ? { mood: 'waiting', text: `saving ${letters}` } : { mood: 'saved', text: 'saved' };
}
