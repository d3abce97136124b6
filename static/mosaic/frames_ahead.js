// @ts-check
// Draws frames ahead of time, so that the next exposure, or the one to blink with, only has to be copied to the screen.
//
// A whole mosaic takes a millisecond with a graphics card, and a quarter of a second without one. A few CCDs are drawn at a
// time, and the next few only when the last are finished, so that a key never waits for a whole frame.

const CCDS_AT_A_TIME = 6;
const MOST_BYTES = 64 * 2 ** 20;
const MOST_FRAMES = 6;
const POLL = 6;      // ms between two checks whether the graphics card has finished
const PAUSE = 120;   // ms without a change of view before work starts

export class FramesAhead {
  // mosaic : has job(expnum) -> {look, view, tiles, key, how}, or null if the picture is not here yet.
  constructor(mosaic) {
    this.mosaic = mosaic;
    this.frames = new Map();   // expnum -> {look, texture, buffer, whole}
    this.wanted = [];
    this.timer = 0;
  }

  get gl() { return this.mosaic.gl; }

  // Sets what to draw ahead, most urgent first. It replaces the earlier list.
  want(expnums) {
    this.wanted = [...expnums];
    this.later(PAUSE);
  }

  later(ms) {
    clearTimeout(this.timer);
    if (this.gl && !this.mosaic.destroyed) this.timer = setTimeout(() => this.step(), ms);
  }

  // Copies a frame to the screen if there is one with this look.
  paint(expnum, look) {
    const frame = this.frames.get(expnum);
    if (!frame?.whole || frame.look !== look) return false;
    this.gl.toScreen(frame);
    this.frames.delete(expnum);
    this.frames.set(expnum, frame);
    return true;
  }

  // Draws a whole frame now, keeps it and copies it to the screen.
  drawNow(expnum, look, { key, tiles, view, how }) {
    const frame = this.fresh(expnum, look);
    this.gl.into(frame.buffer);
    this.mosaic.clear();
    this.gl.draw(key, tiles, view, how);
    frame.whole = true;
    this.gl.toScreen(frame);
  }

  fresh(expnum, look) {
    const old = this.frames.get(expnum);
    this.frames.delete(expnum);
    const frame = old && this.fits(old) ? old : { ...this.gl.newFrame() };
    if (old && frame !== old) this.gl.dropFrame(old);
    Object.assign(frame, { look, whole: false, done: 0 });
    this.frames.set(expnum, frame);
    const { width, height } = this.gl.canvas;
    const most = Math.max(2, Math.min(MOST_FRAMES, Math.floor(MOST_BYTES / (4 * width * height))));
    for (const [other, it] of this.frames) {
      if (this.frames.size <= most) break;
      this.gl.dropFrame(it);
      this.frames.delete(other);
    }
    return frame;
  }

  fits(frame) { return frame.width === this.gl.canvas.width && frame.height === this.gl.canvas.height; }

  step() {
    if (!this.gl || this.mosaic.lost || this.mosaic.destroyed || document.hidden) return;
    if (this.sync && !this.gl.finished(this.sync)) return this.later(POLL);
    this.sync = null;
    for (const expnum of this.wanted) {
      const job = this.mosaic.job(expnum);
      if (!job) continue;
      let frame = this.frames.get(expnum);
      if (frame?.whole && frame.look === job.look) continue;
      if (!frame || frame.look !== job.look || !this.fits(frame)) frame = this.fresh(expnum, job.look);
      this.gl.into(frame.buffer);
      if (frame.done === 0) this.mosaic.clear();
      this.gl.draw(job.key, job.tiles.slice(frame.done, frame.done + CCDS_AT_A_TIME), job.view, job.how);
      this.gl.into(null);
      frame.done += CCDS_AT_A_TIME;
      frame.whole = frame.done >= job.tiles.length;
      this.sync = this.gl.mark();
      return this.later(POLL);
    }
  }

  // Called when the graphics card was reset, or previews were made again.
  forget() {
    if (this.gl && !this.mosaic.lost) for (const frame of this.frames.values()) this.gl.dropFrame(frame);
    this.frames.clear();
    this.sync = null;
  }

  destroy() {
    clearTimeout(this.timer);
    this.wanted = [];
  }
}
