// What is said of a photograph beside its picture: facts, notes, and tables of everything recorded.

function fact(name, value, more) {
  const row = element('div', {}, element('dt', { textContent: name }), element('dd', { textContent: value, dir: 'auto' }));
  if (more) row.lastChild.append(element('small', { className: 'quiet', textContent: more }));
  return row;
}

function factsOf(item) {
  const list = element('dl', { className: 'facts is-column' });
  if (item.error !== null) {
    list.append(fact('Failed', item.error), fact('Why', item.message || ''));
    return list;
  }
  const n = Math.round(item.size * item.shape[0] * item.shape[1]);
  const told = fact('Score', alone(item.explanation_score, item.score) || score(item.score) || 'none');
  told.lastChild.classList.add('is-plain');
  if (isWeak(item.explanation_score, item.score)) told.lastChild.classList.add('is-low');
  if (item.target) list.append(fact('Target', item.target.title, item.target.words));
  list.append(
    fact('Kept', percent(item.size), `${count(n)} of ${count(item.shape[0] * item.shape[1])} pixels`),
    told,
    ...(item.beside.length > 1 ? [fact('Beside', item.beside.map(([name, value]) =>
      [name, score(value)].filter(Boolean).join(' ')).join(', '), 'the least of these scores counts')] : []),
    fact('Outcome', item.outcome, outcomeWords(item)),
  );
  if (item.truth) list.append(fact('Truth', item.truth.label, item.truth.right ? 'the label explained is right' : 'the label explained is another'));
  if (item.calls !== null) list.append(fact('Cost', `${count(item.calls)} model calls`));
  return list;
}

// The nested sets: how much of the score each keeps, with how many of the pixels.
function levelsOf(item) {
  if (item.error !== null || !item.levels.length) return [];
  const cells = (tag, texts) => element('tr', {}, ...texts.map((textContent) => element(tag, { textContent })));
  return [element('h3', { textContent: 'Levels' }), element('table', { className: 'levels' },
    element('thead', {}, cells('th', ['of the score', 'pixels', 'score alone'])),
    element('tbody', {}, ...item.levels.map((level) =>
      cells('td', [levelName(level), percent(level.size), score(level.score) || 'none']))))];
}

// Another question that was asked, and the sets that answer it.
function kindOf(item) {
  if (item.error !== null || !(item.kind || []).length) return [];
  return [element('h3', { textContent: 'Kind' }),
    element('dl', { className: 'facts is-column kind' }, ...item.kind.map(([name, text]) => fact(name, text)))];
}

function notesOf(item) {
  const notes = [...(item.notes || [])];
  if (item.is_photo === false) {
    notes.push('The photograph was not found where it was, or has changed. It is shown as explanation.png has it: grey outside the explanation.');
  }
  if (!notes.length) return [];
  return [element('h3', { textContent: 'Notes' }),
    element('ul', { className: 'notes' }, ...notes.map((textContent) => element('li', { textContent, dir: 'auto' })))];
}

function plain(value) {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(6)));
  if (Array.isArray(value) && value.every((part) => part === null || typeof part !== 'object')) return value.map(plain).join(', ');
  return String(value);
}

function rowsOf(value, name = '') {
  const isNested = value !== null && typeof value === 'object' &&
    !(Array.isArray(value) && value.every((part) => part === null || typeof part !== 'object'));
  if (!isNested) return [[name, name.endsWith('seed') || name === 'label' ? String(value) : plain(value)]];
  return Object.entries(value).flatMap(([key, inner]) => rowsOf(inner, name ? `${name}.${key}` : key));
}

function table(title, value) {
  const rows = rowsOf(value).filter(([name]) => !name.startsWith('insertion_curve'));
  return element('details', {}, element('summary', { textContent: title }),
    element('div', { className: 'table-frame' }, element('table', {}, element('tbody', {}, ...rows.map(([name, text]) =>
      element('tr', {}, element('th', { scope: 'row', textContent: name.replaceAll('_', ' ') }),
        element('td', { textContent: text, dir: 'auto' })))))));
}

function tablesOf(packed) {
  return [table('Statistics', packed.statistics), table('Provenance', packed.provenance),
    table('Image', packed.image), ...(Object.keys(packed.files).length ? [table('Files (SHA-256)', packed.files)] : [])];
}
