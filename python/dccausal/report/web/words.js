// Elements and words. All text goes through textContent, so names can hold anything.

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const byId = (id) => document.getElementById(id);

function percent(share) {
  if (share === null || share === undefined) return '';
  const value = 100 * share;
  if (value === 0 || value === 100) return `${value} %`;
  return `${value < 1 ? value.toFixed(2) : value.toFixed(1)} %`;
}

function score(value) {
  if (value === null || value === undefined) return '';
  return Math.abs(value) < 0.0995 ? Number(value.toPrecision(2)).toString() : value.toFixed(2);
}

function count(value) {
  return value.toLocaleString('en');
}

function labelName(item) {
  if (item.error !== null) return '';
  return item.name === null ? `label ${item.label}` : item.name.split(',')[0];
}

// "0.41 alone (photograph: 0.82)": a low score is never told without what it is to be held against.
function alone(value, whole) {
  if (value === null || value === undefined) return '';
  const beside = whole === null || whole === undefined ? '' : ` (photograph: ${score(whole)})`;
  return `${isWeak(value, whole) ? 'only ' : ''}${score(value)} alone${beside}`;
}

function isWeak(value, whole) {
  return value !== null && whole !== null && whole > 0 && value < 0.25 * whole;
}

function levelName(level) {
  if (level.confidence === 0) return 'label alone';
  return level.confidence === 0.5 ? 'half' : String(level.confidence);
}

const OUTCOMES = {
  minimal: 'No block of it can be masked too without losing the label, or the share of the score that was asked for',
  sufficient: 'Enough for the label, but not shown to be minimal: the search was stopped.',
  trivial: 'The label stays with everything masked, so no pixel can be said to be its cause.',
  insufficient: 'What is kept does not give the label; see the notes.',
};

function outcomeWords(item) {
  const words = OUTCOMES[item.outcome];
  if (item.outcome !== 'minimal') return words;
  return `${words}${item.levels.length ? ', or leaving a hole' : ''}.`; // nested sets have none
}

function outcomeOf(item) {
  return item.error === null ? item.outcome : 'failed';
}

function truthOf(item) {
  if (!item.truth || item.truth.right === null) return 'unknown';
  return item.truth.right ? 'right' : 'wrong';
}

function plural(n, one, many) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
