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

const OUTCOMES = {
  minimal: 'No block of it can be masked too without losing the label.',
  sufficient: 'Enough for the label, but not shown to be minimal: the search was stopped.',
  trivial: 'The label stays with everything masked, so no pixel can be said to be its cause.',
  insufficient: 'What is kept does not give the label; see the notes.',
};

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
