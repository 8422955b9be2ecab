// The score of the label against the share of the best pixels shown, where the report has it.

const SVG = 'http://www.w3.org/2000/svg';
const CURVE_WIDTH = 1000;
const CURVE_HEIGHT = 120;

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function isCurve(curve) {
  return Boolean(curve) && Array.isArray(curve.shares) && Array.isArray(curve.scores) &&
    curve.shares.length === curve.scores.length && curve.shares.length > 1 &&
    [...curve.shares, ...curve.scores].every(Number.isFinite);
}

function scoreAt(curve, share) {
  const { shares, scores } = curve;
  const next = shares.findIndex((other) => other >= share);
  if (next <= 0) return scores[Math.max(next, 0)];
  const part = (share - shares[next - 1]) / (shares[next] - shares[next - 1] || 1);
  return scores[next - 1] + part * (scores[next] - scores[next - 1]);
}

function drawCurve(at, curve, item) {
  at.replaceChildren();
  at.hidden = !isCurve(curve);
  if (at.hidden) return;
  const low = Math.min(0, ...curve.scores);
  const high = Math.max(...curve.scores, low === 0 ? 1 : low + 1);
  const y = (value) => CURVE_HEIGHT - (CURVE_HEIGHT * (value - low)) / (high - low);
  const points = curve.shares.map((share, i) => `${(CURVE_WIDTH * placeOf(share)).toFixed(1)},${y(curve.scores[i]).toFixed(1)}`);
  const title = `Score of the label with only the best pixels shown: ${score(curve.scores[0])} with none, ` +
    `${score(curve.scores[curve.scores.length - 1])} with all`;
  const made = svg('svg', {
    viewBox: `0 0 ${CURVE_WIDTH} ${CURVE_HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': title,
  });
  made.append(
    svg('path', { class: 'curve-area', d: `M0,${y(low)} L${points.join(' L')} L${CURVE_WIDTH},${y(low)} Z` }),
    svg('polyline', { class: 'curve-line', points: points.join(' ') }),
    svg('line', { class: 'curve-cursor', x1: 0, x2: 0, y1: 0, y2: CURVE_HEIGHT }),
  );
  at.append(made, element('span', { className: 'curve-high', textContent: `score ${score(high)}` }));
  if (item.explanation_score === null) return;
  const dot = element('span', { className: 'curve-dot', title: `The explanation: ${score(item.explanation_score)}` });
  dot.style.left = `${100 * placeOf(item.size)}%`;
  dot.style.bottom = `${(100 * (item.explanation_score - low)) / (high - low)}%`;
  at.append(dot);
}

function moveCursor(at, share) {
  const cursor = at.querySelector('.curve-cursor');
  if (!cursor) return;
  cursor.setAttribute('visibility', share === null ? 'hidden' : 'visible');
  for (const end of ['x1', 'x2']) cursor.setAttribute(end, CURVE_WIDTH * placeOf(share));
}
