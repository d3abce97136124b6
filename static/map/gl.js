// Draws the points with plain WebGL2. Colour is a byte into a palette texture, selection a bit, isolation the palette's
// alpha: recolouring, isolating and selecting never touch the positions.

import {
  ATLAS, CODE, CONTEXT, FLAT, FRAGMENT, FRAME_FRAGMENT, FRAME_VERTEX, LOUD, QUIET, RING, SOLID, STATE, VERTEX,
} from './shaders.js';

const CELL = 32;           // pixels of one glyph

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
  }

  // Room on the graphics card for a whole set; what has arrived of it is uploaded at once.
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
    this.writeCodes(set.codes);
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

  writeCodes(codes) { this.writeBytes(CODE, codes); }

  writeState(state) { this.writeBytes(STATE, state); }

  writeBytes(location, bytes) {
    const gl = this.gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[location]);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, bytes, 0, Math.min(this.n, bytes.length));
  }

  writePalette(texels) {
    const gl = this.gl;
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
  }

  // letters: one string for each code; drawn into the points when they are large enough to read.
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

  // look: {size, alpha, hasSelection, isolated, quiet, count, rings: [{indices, width, alpha}]}
  draw(camera, look) {
    const gl = this.gl;
    const ratio = this.canvas.width / camera.width;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0.051, 0.067, 0.09, 1);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const solid = camera.morph > 0.5;
    if (camera.morph > 0) this.drawFrame(camera);
    const { id, at } = this.points;
    gl.useProgram(id);
    see(gl, at, camera);
    gl.uniform1f(at.uSize, Math.min(look.size, this.largest / ratio - 10));
    gl.uniform1f(at.uAlpha, look.alpha);
    gl.uniform1f(at.uRatio, ratio);
    gl.uniform1i(at.uSelection, look.hasSelection ? 1 : 0);
    gl.uniform1i(at.uIsolated, look.isolated ? 1 : 0);
    gl.uniform1i(at.uSolid, solid ? 1 : 0);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.glyphs);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.palette);
    gl.uniform1i(at.uPalette, 0);
    gl.uniform1i(at.uGlyphs, 1);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.ring);
    if (solid) gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    for (const pass of [CONTEXT, QUIET, LOUD]) {
      // Each pass looks at every point: one that cannot draw any is left out.
      if (pass === CONTEXT && !look.hasSelection && !look.isolated) continue;
      if (pass === QUIET && !look.quiet && !look.hasSelection) continue;
      gl.depthMask(solid && pass === LOUD);
      gl.uniform1i(at.uPass, pass);
      gl.drawArrays(gl.POINTS, 0, look.count);
    }
    gl.disable(gl.DEPTH_TEST);
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
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
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
