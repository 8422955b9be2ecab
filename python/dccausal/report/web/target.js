// What is explained where that is no label: a frame around a box or a region, as explanation/mark.py draws it.

const FRAME = 'rgb(96, 214, 255)';
const FRAME_EDGE = 'rgb(12, 30, 40)';
const FRAME_WIDTH = 3;
const CORNER = 0.22; // of the shorter side: corners are drawn whole, sides between them thin

function targetTitle(item) {
  return item.target ? item.target.title : labelName(item);
}

// `place` brings pixels of the photograph to the canvas; `box` is where the model's image lies there.
function drawTarget(to, { item, region }, place, box) {
  if (!item.target) return;
  const unit = Math.max(1, Math.sqrt(to.canvas.width * to.canvas.height) / 520);
  if (region) frameRegion(to, item.target.shape, region, box, unit);
  else if (item.target.box) frameBox(to, item.target.box, place, unit);
}

function frameRegion(to, shape, region, box, unit) {
  const width = FRAME_WIDTH * unit;
  const path = pathAround(shape, region, box, { inset: width / 2, margin: width / 2, size: [to.canvas.width, to.canvas.height] });
  to.lineJoin = 'round';
  for (const [colour, more] of [[FRAME_EDGE, 2], [FRAME, 0]]) {
    to.strokeStyle = colour;
    to.lineWidth = width + more;
    to.stroke(path);
  }
}

function frameBox(to, [left, top, right, bottom], place, unit) {
  const strong = Math.max(2, Math.round(FRAME_WIDTH * unit));
  const thin = Math.max(1, Math.round((FRAME_WIDTH * unit) / 3));
  const inside = (value, side) => Math.min(Math.max(value, strong), side - 1 - strong);
  const [x0, x1] = [place([left, top])[0], place([right, bottom])[0]].map((x) => inside(x, to.canvas.width));
  const [y0, y1] = [place([left, top])[1], place([right, bottom])[1]].map((y) => inside(y, to.canvas.height));
  const arm = CORNER * Math.min(x1 - x0, y1 - y0);
  to.lineJoin = 'miter';
  to.lineCap = 'square';
  for (const [colour, more] of [[FRAME_EDGE, 2], [FRAME, 0]]) {
    to.strokeStyle = colour;
    to.lineWidth = thin + more;
    to.strokeRect(x0, y0, x1 - x0, y1 - y0);
    to.lineWidth = strong + more;
    to.beginPath();
    for (const [x, across] of [[x0, arm], [x1, -arm]]) {
      for (const [y, down] of [[y0, arm], [y1, -arm]]) {
        to.moveTo(x + across, y);
        to.lineTo(x, y);
        to.lineTo(x, y + down);
      }
    }
    to.stroke();
  }
  to.lineCap = 'butt';
}
