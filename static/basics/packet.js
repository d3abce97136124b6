// @ts-check
// Packets of the queue as text and as objects: 'band=g;month=2013-10' <-> { band: 'g', month: '2013-10' }.

export function packetOf(text) {
  return Object.fromEntries((text || '').split(';').filter(Boolean).map(part => { const at = part.indexOf('='); return [part.slice(0, at), part.slice(at + 1)]; }));
}

export const packetText = packet => Object.entries(packet).map(pair => pair.join('=')).join(';');
