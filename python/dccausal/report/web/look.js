// What pages have in common: buttons of which one is pressed, and a light or dark look that is remembered.

function makeSegments(at, pairs, chosen, choose) {
  const buttons = pairs.map(([value, text]) => element('button', { type: 'button', value, textContent: text }));
  const select = (value) => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.value === value));
  };
  for (const button of buttons) {
    button.addEventListener('click', () => {
      select(button.value);
      choose(button.value);
    });
  }
  at.replaceChildren(...buttons);
  select(chosen);
  return { select };
}

const THEMES = ['auto', 'light', 'dark'];

function remembered(theme) {
  try {
    if (theme) localStorage.setItem('dccausal-theme', theme);
    return localStorage.getItem('dccausal-theme');
  } catch {
    return null; // files opened from a disk may not have a memory
  }
}

function makeTheme(button) {
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  set(THEMES.includes(remembered()) ? remembered() : 'auto');
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    remembered(next);
    set(next);
  });
}
