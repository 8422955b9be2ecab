// The options of an explanation, as the service tells them: a control for each, and what is chosen.

const FIRST = ['target', 'kind', 'other', 'baseline', 'min_confidence', 'profile'];
const TITLES = { target: 'Label', other: 'Why not', min_confidence: 'Level', max_calls: 'Model calls, at most' };
const HINTS = { target: 'the top label', other: 'another label', min_confidence: 'half' };
const SUGGESTED = {
  baseline: ['grey', 'black', 'white', 'blur', '#7f7f7f'],
  min_confidence: ['0.9', '0.5', '0'],
};

function titleOf(name) {
  const title = TITLES[name] || name.replaceAll('_', ' ');
  return title[0].toUpperCase() + title.slice(1);
}

function controlOf(option, labels) {
  const id = `option-${option.name}`;
  if (option.enum || option.type === 'boolean') {
    const values = option.enum || ['true', 'false'];
    const chosen = option.default === undefined ? '' : String(option.default);
    const first = chosen ? [] : [element('option', { value: '', textContent: 'as the profile' })];
    return element('select', { id, name: option.name }, ...first, ...values.map((value) =>
      element('option', { value, textContent: value, selected: value === chosen })));
  }
  const isNumber = option.type === 'integer' || option.type === 'number';
  const control = element('input', {
    id, name: option.name, type: isNumber ? 'number' : 'text', autocomplete: 'off', spellcheck: false,
    placeholder: HINTS[option.name] || (option.default === undefined ? 'by default' : String(option.default)),
  });
  if (isNumber) {
    control.step = option.type === 'integer' ? '1' : 'any';
    if (option.minimum !== undefined) control.min = option.minimum;
    if (option.maximum !== undefined && option.maximum < 1e9) control.max = option.maximum;
  } else control.maxLength = option.maxLength || 200;
  const suggested = option.metavar === 'LABEL' ? labels : SUGGESTED[option.name];
  if (!suggested) return control;
  control.setAttribute('list', `${id}-list`);
  return [control, element('datalist', { id: `${id}-list` },
    ...suggested.map((value) => element('option', { value })))];
}

function makeOptions({ options, labels }) {
  const names = labels ? labels.map((label) => label.split(',')[0]) : [];
  const all = labels ? [...names, ...labels.filter((label) => label.includes(','))] : null;
  const placeOf = (option) => {
    if (FIRST.includes(option.name)) return byId('first-options');
    return byId(option.panel.startsWith('Method') ? 'expert-options' : 'more-options').lastElementChild;
  };
  const inOrder = [...options].sort((a, b) => FIRST.indexOf(a.name) - FIRST.indexOf(b.name));
  for (const option of inOrder) {
    const made = [controlOf(option, all)].flat();
    placeOf(option).append(element('label', { className: 'option', title: option.description },
      element('span', { textContent: titleOf(option.name) }), ...made,
      element('small', { textContent: option.description })));
  }
  const controls = options.map((option) => [option, byId(`option-${option.name}`)]);
  const kind = byId('option-kind');
  const other = byId('option-other');
  if (kind && other) {
    const fit = () => { // only one of the kinds asks for another label
      other.required = kind.value === 'why-not';
      other.closest('.option').hidden = !other.required;
      if (!other.required) other.value = '';
    };
    kind.addEventListener('change', fit);
    fit();
  }
  return {
    target: byId('option-target'),
    // Only what was chosen: the rest is left to the service.
    addTo: (form) => {
      for (const [option, control] of controls) {
        const isDefault = option.default !== undefined && control.value === String(option.default);
        if (control.value !== '' && !isDefault) form.append(option.name, control.value);
      }
    },
    firstWrong: () => controls.map(([, control]) => control).find((control) => !control.checkValidity()),
  };
}
