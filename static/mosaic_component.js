// Binds a mosaic to the Panel component MosaicView (app/image_view.py): parameters in, clicks and choices out.

import { mountMosaic } from './mosaic.js';

export async function mount(box, model) {
  const mosaic = mountMosaic(box, {
    version: model.picture_version, camera: model.camera, stretch: model.stretch, scaleMode: model.scale_mode, invert: model.invert,
    names: model.names, emptyText: model.empty_text,
  });
  const apply = {
    expnum: () => mosaic.show(model.expnum ?? null),
    focus_ccd: () => mosaic.setFocus(model.focus_ccd),
    stretch: () => mosaic.setStretch(model.stretch),
    scale_mode: () => mosaic.setScaleMode(model.scale_mode),
    invert: () => mosaic.setInvert(model.invert),
    names: () => mosaic.setNames(model.names),
    overlay: () => mosaic.setOverlay(Object.keys(model.overlay).length ? model.overlay : null),
    next_expnums: () => mosaic.prefetch(model.next_expnums),
    picture_version: () => { mosaic.pictures.version = model.picture_version; },
  };
  for (const [name, change] of Object.entries(apply)) model.on(name, change);
  model.on('msg:custom', message => {
    if (message.open) mosaic.openCcd(message.open);
    else if (message.open === '') mosaic.closeCcd();
    if (message.fit) mosaic.fit();
  });
  mosaic.onPick(({ expnum, ccdname, shiftKey }) => {
    if (expnum === null) return;
    if (ccdname && ccdname === mosaic.focus && !mosaic.opened) mosaic.openCcd(ccdname);
    else if (ccdname !== mosaic.focus && !mosaic.opened) {
      mosaic.setFocus(ccdname);
      model.send_msg({ kind: 'pick', expnum, ccdname, shift: shiftKey });
    }
  });
  apply.focus_ccd();
  apply.overlay();
  await apply.expnum();
  apply.next_expnums();
  box.mosaic = mosaic;
  return () => mosaic.destroy();
}
