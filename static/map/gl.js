// @ts-check
// Draws the points with plain WebGL2. The colour of a point is an index into a palette texture, its selection is a bit, and
// isolation is the alpha of the palette. So recolouring, isolating and selecting never change the positions.

import {
  ATLAS, CODE, CONTEXT, FLAT, FRAGMENT, FRAME_FRAGMENT, FRAME_VERTEX, LOUD, QUIET, RING, SOLID, STATE, VERTEX,
} from './shaders.js';

const CELL = 32;           // pixels of one glyph
const SLICE_MS = 40;       // time of the graphics card for one slice of a long drawing

export class NoWebGL extends Error {}

export class PointPainter {
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext('webgl2', { antialias: false, alpha: false, depth: true, powerPreference: 'high-performance' });
    if (!gl) throw new NoWebGL('This browser has no WebGL2.');
    this.gl = gl;
    this.n = 0;
    this.largest = gl.getParameter(gl.ALIASED_POINT_SIZE_RANGE)[1];
    this.points = program(gl, VERTEX, FRAGMENT);
    this.frame = program(gl, FRAME_VERTEX, FRAME_FRAGMENT);
    this.palette = texture(gl, gl.NEAREST);
    this.glyphs = texture(gl, gl.LINEAR);
    gl.bindTexture(gl.TEXTURE_2D, this.glyphs);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    this.ring = gl.createBuffer();
    this.corners = gl.createBuffer();
    this.frameArray = gl.createVertexArray();
    this.refines = true;
    this.aside = null;         // picture of all points, drawn in slices: {frame, colour, depth, width, height}
    this.slice = 100_000;
  }

  // Reserves memory on the graphics card for all points, and uploads those that have arrived.
  begin(set) {
    const gl = this.gl;
    this.release();
    this.n = set.n;
    this.buffers = { [CODE]: this.reserve(set.n), [STATE]: this.reserve(set.n) };
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    for (const location of [CODE, STATE]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[location]);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribIPointer(location, 1, gl.UNSIGNED_BYTE, 1, 0);
    }
    this.writeCodes(set.codes, 0, set.coloured);
    this.writeState(set.state);
    for (const dims of [2, 3]) if (set.arrived[dims]) this.writePlaces(set, dims, 0, set.arrived[dims]);
    this.writeFrame(set.half(3));
  }

  reserve(bytes) {
    const gl = this.gl;
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, Math.max(1, bytes), gl.DYNAMIC_DRAW);
    return buffer;
  }

  writePlaces(set, dims, from, to) {
    const gl = this.gl;
    const location = dims === 3 ? SOLID : FLAT;
    if (!this.buffers[location]) {
      this.buffers[location] = this.reserve(2 * dims * set.n);
      gl.bindVertexArray(this.array);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, dims, gl.UNSIGNED_SHORT, true, 2 * dims, 0);
    }
    const places = dims === 3 ? set.solid : set.flat;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[location]);
    gl.bufferSubData(gl.ARRAY_BUFFER, 2 * dims * from, places, dims * from, dims * (to - from));
  }

  writeCodes(codes, from, to) { this.writeBytes(CODE, codes, from, Math.min(this.n, to)); }

  writeState(state) { this.writeBytes(STATE, state, 0, this.n); }

  writeBytes(location, bytes, from, to) {
    const gl = this.gl;
    if (to <= from) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[location]);
    gl.bufferSubData(gl.ARRAY_BUFFER, from, bytes, from, to - from);
  }

  writePalette(texels) {
    const gl = this.gl;
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
  }

  // letters : one string per code; they are drawn into the points if these are large enough.
  writeGlyphs(letters) {
    const gl = this.gl;
    const sheet = document.createElement('canvas');
    sheet.width = sheet.height = ATLAS * CELL;
    const pen = sheet.getContext('2d');
    pen.font = `700 ${CELL * 0.68}px system-ui, sans-serif`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    letters.forEach((letter, code) => {
      pen.fillText(letter, (code % ATLAS + 0.5) * CELL, (Math.floor(code / ATLAS) + 0.54) * CELL, CELL * 0.9);
    });
    gl.bindTexture(gl.TEXTURE_2D, this.glyphs);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, sheet);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  }

  writeFrame([hx, hy, hz]) {
    const gl = this.gl;
    const lines = [];
    for (const a of [-1, 1]) {
      for (const b of [-1, 1]) {
        lines.push(-hx, a * hy, b * hz, hx, a * hy, b * hz);
        lines.push(a * hx, -hy, b * hz, a * hx, hy, b * hz);
        lines.push(a * hx, b * hy, -hz, a * hx, b * hy, hz);
      }
    }
    gl.bindVertexArray(this.frameArray);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(lines), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
  }

  // look: {size, alpha, hasSelection, rim, isolated, quiet, count, rings: [{indices, width, alpha}]}
  draw(camera, look) {
    this.gl.bindFramebuffer(this.gl.FRAMEBUFFER, null);
    this.wipe(camera);
    this.set(camera, look);
    for (const pass of passesOf(look)) this.drawPass(camera, pass, 0, look.count);
    this.drawRings(look);
  }

  wipe(camera) {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0.051, 0.067, 0.09, 1);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    if (camera.morph > 0) this.drawFrame(camera);
  }

  set(camera, look) {
    const gl = this.gl;
    const ratio = this.canvas.width / camera.width;
    const { id, at } = this.points;
    gl.useProgram(id);
    see(gl, at, camera);
    gl.uniform1f(at.uSize, Math.min(look.size, this.largest / ratio - 10));
    gl.uniform1f(at.uAlpha, look.alpha);
    gl.uniform1f(at.uRatio, ratio);
    gl.uniform1i(at.uSelection, look.hasSelection ? 1 : 0);
    gl.uniform1i(at.uIsolated, look.isolated ? 1 : 0);
    gl.uniform1i(at.uRim, look.rim ? 1 : 0);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.glyphs);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.uniform1i(at.uPalette, 0);
    gl.uniform1i(at.uGlyphs, 1);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.ring);
  }

  drawPass(camera, pass, from, count) {
    const gl = this.gl;
    const solid = camera.morph > 0.5;
    if (solid) gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.depthMask(solid && pass === LOUD);
    gl.uniform1i(this.points.at.uSolid, solid ? 1 : 0);
    gl.uniform1i(this.points.at.uPass, pass);
    gl.drawArrays(gl.POINTS, from, count);
    gl.disable(gl.DEPTH_TEST);
  }

  drawRings(look) {
    const gl = this.gl;
    const { at } = this.points;
    gl.uniform1i(at.uSolid, 0);
    gl.uniform1i(at.uPass, RING);
    for (const ring of look.rings) {
      if (!ring.indices.length) continue;
      gl.uniform1f(at.uRingWidth, ring.width);
      gl.uniform1f(at.uRingAlpha, ring.alpha);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, ring.indices, gl.DYNAMIC_DRAW);
      gl.drawElements(gl.POINTS, ring.indices.length, gl.UNSIGNED_INT, 0);
    }
    gl.bindVertexArray(null);
  }

  // ---- more points than one frame can draw: they are drawn off screen in slices, and shown when all are drawn

  beginRefining(camera, look) {
    const gl = this.gl;
    this.makeAside();
    this.refining = { camera, look, passes: passesOf(look), from: 0, fence: null, begun: 0 };
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.aside.frame);
    this.wipe(camera);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  // Draws one slice if the graphics card has finished the last one. Returns whether all points are drawn.
  refine() {
    const gl = this.gl;
    const job = this.refining;
    if (job.fence) {
      const state = gl.clientWaitSync(job.fence, 0, 0);
      if (state === gl.TIMEOUT_EXPIRED) return false;
      gl.deleteSync(job.fence);
      job.fence = null;
      const ms = performance.now() - job.begun;
      this.slice = Math.round(Math.max(50_000, Math.min(2_000_000, this.slice * Math.max(0.5, Math.min(2, SLICE_MS / ms)))));
    }
    if (!job.passes.length) return true;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.aside.frame);
    this.set(job.camera, job.look);
    const count = Math.min(this.slice, job.look.count - job.from);
    this.drawPass(job.camera, job.passes[0], job.from, count);
    gl.bindVertexArray(null);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    job.from += count;
    if (job.from >= job.look.count) { job.passes.shift(); job.from = 0; }
    job.begun = performance.now();
    job.fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    return false;
  }

  // Copies the off-screen picture to the screen, with rings on top.
  showRefined(camera, look) {
    const gl = this.gl;
    const { width, height } = this.canvas;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.aside.frame);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, width, height);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.set(camera, look);
    this.drawRings(look);
  }

  makeAside() {
    const gl = this.gl;
    const { width, height } = this.canvas;
    if (this.aside?.width === width && this.aside?.height === height) return;
    this.dropAside();
    const [frame, colour, depth] = [gl.createFramebuffer(), gl.createRenderbuffer(), gl.createRenderbuffer()];
    gl.bindRenderbuffer(gl.RENDERBUFFER, colour);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, width, height);
    gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, colour);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    this.aside = { frame, colour, depth, width, height };
  }

  dropAside() {
    const gl = this.gl;
    if (!this.aside) return;
    gl.deleteFramebuffer(this.aside.frame);
    gl.deleteRenderbuffer(this.aside.colour);
    gl.deleteRenderbuffer(this.aside.depth);
    this.aside = null;
  }

  drawFrame(camera) {
    const gl = this.gl;
    gl.useProgram(this.frame.id);
    see(gl, this.frame.at, camera);
    gl.bindVertexArray(this.frameArray);
    gl.drawArrays(gl.LINES, 0, 24);
  }

  release() {
    const gl = this.gl;
    for (const buffer of Object.values(this.buffers || {})) gl.deleteBuffer(buffer);
    if (this.array) gl.deleteVertexArray(this.array);
    this.buffers = {};
    this.array = null;
  }

  close() {
    this.release();
    this.dropAside();
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

// Each pass looks at every point, so a pass that would draw none is left out.
function passesOf(look) {
  return [CONTEXT, QUIET, LOUD].filter(pass => !(pass === CONTEXT && !look.hasSelection && !look.isolated)
    && !(pass === QUIET && !look.quiet && !look.hasSelection));
}

function see(gl, at, camera) {
  gl.uniformMatrix3fv(at.uRotation, false, camera.rotation);
  gl.uniform2f(at.uHalf, camera.width / 2, camera.height / 2);
  gl.uniform2f(at.uOffset, camera.offset[0], camera.offset[1]);
  gl.uniform1f(at.uScale, camera.scale);
  gl.uniform1f(at.uMorph, camera.morph);
  gl.uniform1f(at.uEye, camera.eye);
}

function program(gl, vertex, fragment) {
  const id = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(id, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(id);
  if (!gl.getProgramParameter(id, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = gl.getAttachedShaders(id).map(shader => gl.getShaderInfoLog(shader));
    throw new Error(`The map's shader does not link: ${gl.getProgramInfoLog(id)} ${logs.join(' ')}`);
  }
  const at = {};
  for (let k = 0; k < gl.getProgramParameter(id, gl.ACTIVE_UNIFORMS); k++) {
    const { name } = gl.getActiveUniform(id, k);
    at[name] = gl.getUniformLocation(id, name);
  }
  return { id, at };
}

function texture(gl, filter) {
  const id = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, id);
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
  for (const way of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, way, filter);
  return id;
}
