// @ts-check
// Without WebGL2 the server draws the points, one picture for each view. Selecting works as usual, on the same positions.

const WAIT_MS = 140;

export class ImagePainter {
  constructor(canvas, address) {
    this.canvas = canvas;
    this.over = document.createElement('canvas');    // the selection and the rings, over the picture
    canvas.after(this.over);
    this.address = address;              // () => address of the picture, without the numbers of the view
    this.picture = document.createElement('img');
    this.picture.className = 'map-picture';
    this.picture.alt = 'Map of all images, drawn by the server';
    this.picture.addEventListener('load', () => { this.drawn = this.asked; this.place(); this.picture.dataset.loaded = '1'; });
    canvas.before(this.picture);
    this.asked = this.drawn = null;
  }

  get refines() { return false; }
  begin(set) { this.set = set; }
  beginRefining() {}
  refine() { return true; }
  showRefined() {}
  writePlaces() {}
  writeCodes() {}
  writeState() {}
  writeGlyphs() {}
  writeFrame() {}
  writePalette(texels) { this.palette = texels; }

  draw(camera, look) {
    this.camera = camera;
    const view = { w: Math.round(camera.width), h: Math.round(camera.height), dims: camera.dims,
      scale: camera.scale.toFixed(3), x: camera.offset[0].toFixed(2), y: camera.offset[1].toFixed(2),
      size: look.size.toFixed(2), rotation: camera.rotation.map(value => value.toFixed(5)).join(',') };
    const url = this.address(view);
    if (url !== this.url) {
      this.url = url;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.asked = { scale: camera.scale, offset: camera.offset.slice() };
        this.picture.src = url;
      }, WAIT_MS);
    }
    this.place();
    this.picture.style.filter = look.hasSelection && !look.isolated ? 'grayscale(1) opacity(0.35)' : '';
    this.drawOver(camera, look);
  }

  // Until the new picture arrives, the old one is moved and scaled to fit the view.
  place() {
    if (!this.drawn || !this.camera) return;
    const f = this.camera.scale / this.drawn.scale;
    const [x, y] = [0, 1].map(k => this.camera.offset[k] - this.drawn.offset[k] * f);
    this.picture.style.transform = `translate(${x}px, ${y}px) scale(${f})`;
  }

  drawOver(camera, look) {
    if (this.over.width !== this.canvas.width) this.over.width = this.canvas.width;
    if (this.over.height !== this.canvas.height) this.over.height = this.canvas.height;
    const pen = this.over.getContext('2d');
    const ratio = this.canvas.width / camera.width;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, camera.width, camera.height);
    const { set, palette } = this;
    const place = new Float32Array(3);
    const size = Math.max(2, look.size);
    if (look.hasSelection) {
      for (let i = 0; i < set.n; i++) {
        if (!(set.state[i] & 1)) continue;
        set.project(camera, i, i + 1, place);
        const c = 4 * set.codes[i];
        pen.fillStyle = `rgb(${palette[c]} ${palette[c + 1]} ${palette[c + 2]})`;
        pen.fillRect(place[0] - size / 2, place[1] - size / 2, size, size);
      }
    }
    for (const ring of look.rings) {
      pen.strokeStyle = `rgb(255 255 255 / ${ring.alpha})`;
      pen.lineWidth = ring.width;
      for (const i of ring.indices) {
        set.project(camera, i, i + 1, place);
        pen.beginPath();
        pen.arc(place[0], place[1], size / 2 + 3, 0, 7);
        pen.stroke();
      }
    }
  }

  close() { clearTimeout(this.timer); this.picture.remove(); this.over.remove(); }
}
