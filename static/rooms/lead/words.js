// @ts-check
// Functions for all parts of the Lead room: ask a route, show a problem, keep the focus, and write numbers and times.

import { send, whyNot } from '../../basics/send.js';

// Ask a route with POST. Returns { answer }, or { problem }: one line that says what to do.
export async function ask(url, values) {
  try {
    const response = await send(url, values);
    if (response.ok) return { answer: await response.json(), problem: '' };
    return { answer: null, problem: await whyNot(response) };
  } catch {
    return { answer: null, problem: 'No connection to the server; nothing was changed. Try again.' };
  }
}

export function complain(node, problem) {
  const line = node.querySelector('.problem');
  line.hidden = !problem;
  line.textContent = problem;
}

export function focused(node) {
  const active = node.getRootNode().activeElement;
  return active && node.contains(active) ? active : null;
}

export function holdsFocus(node) { return Boolean(focused(node)); }

export function count(number) { return Number(number).toLocaleString('en'); }

export function plainName(value) { return String(value).replaceAll('_', ' '); }

export function when(utc) {
  if (!utc) return 'never';
  const then = new Date(utc);
  const minutes = (Date.now() - then.getTime()) / 60_000;
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${Math.round(minutes)} min ago`;
  if (minutes < 60 * 20) return `${Math.round(minutes / 60)} h ago`;
  return then.toISOString().slice(0, 10);
}
