// @ts-check
// What the server keeps of this account beside votes: changed keys, and whether the tour was seen. Asked once a page.

let asked = null;

// Promise of {user, keys, tour, reasons}; null where the server does not answer. The next call asks again then.
export function settings() {
  asked ??= ask('/api/settings').catch(() => { asked = null; return null; });
  return asked;
}

// Keep some of them; throws with one line that says why not.
export async function keepSettings(values) {
  let answer;
  try {
    answer = await ask('/api/settings', values);
  } catch (error) {
    throw new Error(error instanceof TypeError ? 'Not kept: no connection. Try again.' : error.message);
  }
  asked = Promise.resolve(answer);
  return answer;
}

async function ask(path, body) {
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(path, body ? post : {});
  if (!response.ok) throw new Error((await response.text()).replace(/^\d+ /, '').trim());
  return response.json();
}
