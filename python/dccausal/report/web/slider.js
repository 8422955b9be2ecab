// The scale of the slider and the curve above it: the square root of the share, since explanations are small.

const STEPS = 1000;
const TICKS = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1];

const shareAt = (step) => (step / STEPS) ** 2;
const stepAt = (share) => Math.round(Math.sqrt(share) * STEPS);
const placeOf = (share) => Math.sqrt(share);

// Where the middle of the thumb is; it is 18 pixels wide and stays inside.
const thumbAt = (share) => `calc(9px + ${placeOf(share)} * (100% - 18px))`;

function fillTicks(at) {
  at.replaceChildren(...TICKS.map((share) => {
    const tick = element('span', { textContent: `${100 * share}${share === 1 ? ' %' : ''}` });
    tick.style.left = `${100 * placeOf(share)}%`;
    return tick;
  }));
}
