// @ts-check
// A WebSocket that outlives its connection. Bokeh speaks through it and does not notice a cut: this side and the server
// (app/web/lines.py) keep what the other has not got, and send it over the next connection. So what the user does
// meanwhile arrives once and in order, and what the server says meanwhile, too.
//
// A connection that only went silent, because a computer slept or its network changed, is noticed by a beat: '~12' says
// "I have got 12 frames of yours", and the server answers at once with its own count.
//
// A connection that is lost is tried again when the server answers an ordinary request, because browsers put off
// websockets that fail often. That request goes without cookies: browsers use other connections for those, so that none
// of the page's requests, which may hang on connections that are dead, stands in its way.

const BEAT_MS = 3000;
const SILENT_MS = 5000;     // without an answer to a beat for this long, the connection is lost
const SEEK_MS = 1000;       // between two requests that find out whether the server answers
const ANSWER_MS = 4000;     // for this long each of them waits
const OPEN_MS = 10000;      // for this long a new connection may take
const LATE_MS = 1000;       // a timer that is later than this says that the browser or its computer slept
const REFUSED_MOST = 3;     // the server answers, but opens no connection: the page needs a new line
const MARK = '~';
const GONE = 4404;          // the server does not know this line (any more)
const NO_RIGHTS = 1008;     // the login has ended, or its role has changed
const SEEK_AT = 'login';   // open to everybody
const LOGIN_AT = 'boot';   // 403 without a login

const Wire = globalThis.WebSocket;
const seekAt = globalThis.fetch;

// What becomes of the line of this page, for whoever draws it.
// state : 'open', 'lost' = the page goes on by itself when the server answers, 'gone' = only a new page can go on,
//         'ended' = the login has ended
export const line = {
  state: 'open',
  cuts: 0,                  // how often it was lost
  /** @type {LastingSocket | null} */ socket: null,
  /** @type {Set<(state: string) => void>} */ listeners: new Set(),
  listen(heard) { line.listeners.add(heard); heard(line.state); return () => line.listeners.delete(heard); },
  /** Resolves when the page has its connection. @returns {Promise<void>} */
  back() {
    return new Promise(resolve => {
      const stop = line.listen(state => { if (state === 'open') queueMicrotask(() => { stop(); resolve(); }); });
    });
  },
  tell(state) {
    if (state === line.state) return;
    line.state = state;
    if (state === 'lost') line.cuts += 1;
    for (const heard of line.listeners) heard(state);
  },
};

export class LastingSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;

  /**
   * @param {string} address
   * @param {string[]} protocols
   */
  constructor(address, protocols) {
    this.address = address;
    this.protocols = protocols;
    this.id = `${Date.now().toString(36)}-${crypto.getRandomValues(new Uint32Array(3)).join('-')}`;
    this.sent = [];          // frames that the server has not said that it has
    this.dropped = 0;        // frames before these
    this.got = 0;            // frames of the server
    this.opened = false;     // once
    this.closed = false;     // for good
    this.live = false;       // frames go out at once
    this.refused = 0;
    this.doubted = false;    // whether the login may have ended
    this.silent = false;     // whether connections hang, instead of failing
    this.binaryType = 'arraybuffer';
    /** @type {((event: any) => void) | null} */ this.onopen = null;
    /** @type {((event: any) => void) | null} */ this.onmessage = null;
    /** @type {((event: any) => void) | null} */ this.onclose = null;
    /** @type {((event: any) => void) | null} */ this.onerror = null;
    /** @type {WebSocket | null} */ this.wire = null;
    /** @type {any} */ this.patience = null;
    /** @type {any} */ this.seeking = null;
    this.heartbeat = setInterval(() => this.beat(), BEAT_MS);
    this.awake = () => { if (this.live) this.beat(); else this.seek(); };
    this.seen = () => { if (!document.hidden) this.awake(); };
    this.leave = () => { this.leaving = true; };
    this.arrive = () => { this.leaving = false; if (!this.wire) this.wait(); };
    window.addEventListener('online', this.awake);
    window.addEventListener('pagehide', this.leave);
    window.addEventListener('pageshow', this.arrive);
    document.addEventListener('visibilitychange', this.seen);
    line.socket = this;
    this.connect();
  }

  get readyState() { return this.closed ? LastingSocket.CLOSED : this.opened ? LastingSocket.OPEN : LastingSocket.CONNECTING; }

  // ---- what Bokeh calls

  send(frame) {
    this.sent.push(frame);
    if (this.live) this.wire?.send(frame);
  }

  close(code, reason) {
    const { wire } = this;
    this.stop();
    wire?.close(code, reason);
    this.onclose?.({ code, reason });
  }

  stop() {
    this.closed = true;
    this.release();
    clearInterval(this.heartbeat);
    clearInterval(this.seeking);
    window.removeEventListener('online', this.awake);
    window.removeEventListener('pagehide', this.leave);
    window.removeEventListener('pageshow', this.arrive);
    document.removeEventListener('visibilitychange', this.seen);
  }

  // ---- a connection

  connect() {
    const address = new URL(this.address);
    address.searchParams.set('line', this.id);
    if (this.opened) address.searchParams.set('again', String(this.got));
    const wire = this.wire = new Wire(address, this.protocols);
    wire.binaryType = 'arraybuffer';
    wire.onmessage = event => this.hear(event);
    wire.onclose = event => this.lost(event);
    this.allow(OPEN_MS);
  }

  // Cut the connection if nothing is heard for so long.
  allow(ms) {
    const due = performance.now() + ms + LATE_MS;
    this.patience = setTimeout(() => { if (performance.now() > due) this.allow(LATE_MS); else this.cut(); }, ms);
  }

  hear(event) {
    clearTimeout(this.patience);
    this.patience = null;
    const { data } = event;
    if (typeof data === 'string' && data.startsWith(MARK)) return this.agree(Number(data.slice(MARK.length)));
    this.got += 1;
    return this.onmessage?.(event);
  }

  // The server has got so many frames. If it says so first, the connection stands.
  agree(count) {
    while (this.sent.length && this.dropped < count) { this.sent.shift(); this.dropped += 1; }
    if (this.live) return;
    this.live = true;
    this.refused = 0;
    clearInterval(this.seeking);
    this.seeking = null;
    for (const frame of this.sent) this.wire?.send(frame);
    if (this.silent) endRequests();
    this.silent = false;
    if (!this.opened) { this.opened = true; this.onopen?.({ type: 'open' }); }
    line.tell('open');
  }

  beat() {
    if (!this.live) return;
    this.wire?.send(MARK + this.got);
    if (this.patience === null) this.allow(SILENT_MS);
  }

  // Let go of a connection that is silent; the browser closes it when it can. Requests that hang with it are ended, so that
  // they are asked for again.
  cut() {
    const { wire } = this;
    this.silent = true;
    this.lost();
    wire?.close();
    endRequests();
  }

  release() {
    clearTimeout(this.patience);
    this.patience = null;
    if (this.wire) this.wire.onmessage = this.wire.onclose = null;
    this.wire = null;
    this.live = false;
  }

  // ---- a lost connection

  /** @param {{ code?: number }} [event] */
  lost({ code } = {}) {
    const stood = this.live;
    this.release();
    if (this.closed || this.leaving) return;
    if (!stood) this.refused += 1;
    this.doubted = !stood || code === NO_RIGHTS;
    const turnedAway = !stood && (code === GONE || code === NO_RIGHTS);
    if (turnedAway || (this.opened && this.refused >= REFUSED_MOST)) return this.give('gone');
    this.wait();
    if (stood) this.seek();
  }

  wait() {
    line.tell('lost');
    this.seeking ??= setInterval(() => this.seek(), SEEK_MS);
  }

  give(state) {
    this.stop();
    line.tell(state);
  }

  // Ask whether the server answers, and connect if it does. The questions overlap, because one that was asked over a
  // connection that is cut gets no answer.
  async seek() {
    const answer = await this.ask(SEEK_AT, 'omit');
    if (!answer?.ok) return;
    if (this.doubted && (await this.ask(LOGIN_AT, 'same-origin'))?.status === 403) { if (!this.closed) this.give('ended'); return; }
    if (!this.closed && !this.wire) this.connect();
  }

  /**
   * @param {string} url
   * @param {RequestCredentials} credentials
   */
  async ask(url, credentials) {
    if (this.closed || this.wire) return null;
    try { return await seekAt(url, { credentials, cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) }); } catch { return null; }
  }

  // Values of the page that were changed here and that the server may not have: name -> value, the last one of each.
  unsent() {
    const values = {};
    for (const frame of this.sent) {
      if (typeof frame !== 'string' || !frame.includes('"ModelChanged"')) continue;
      for (const event of JSON.parse(frame).events ?? []) if (event.kind === 'ModelChanged') values[event.attr] = event.new;
    }
    return values;
  }
}

// End all requests of the page that are on their way.
function endRequests() { if (document.readyState === 'complete') window.stop(); }

if (Wire) /** @type {any} */ (globalThis).WebSocket = LastingSocket;
