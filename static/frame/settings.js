// @ts-check
// Settings of this account on the server: own keys, and whether the tour was seen. A page asks for them once.

import { sendJson, whyNot } from '../basics/send.js';

let asked = null;

// Promise of {user, keys, tour, reasons}, or of null if the server does not answer. Then the next call asks again.
export function settings() {
  asked ??= ask('api/settings').catch(() => { asked = null; return null; });
  return asked;
}

// Keep some settings. Throws an error with one line of text if the server refuses.
export async function keepSettings(values) {
  let answer;
  try {
    answer = await ask('api/settings', values);
  } catch (error) {
    throw new Error(error instanceof TypeError ? 'Not kept: no connection. Try again.' : error.message);
  }
  asked = Promise.resolve(answer);
  return answer;
}

async function ask(path, body) {
  if (body) return sendJson(path, body);
  const response = await fetch(path);
  if (!response.ok) throw new Error(await whyNot(response));
  return response.json();
}
