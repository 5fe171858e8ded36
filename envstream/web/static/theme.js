/** Theme: light or dark as the system says, until the person says otherwise. */

const KEY = 'envstream-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const root = document.documentElement;

// Storage may be forbidden (private windows, cross-site iframes): the theme then lasts as long as the page.
function remembered() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === 'light' || theme === 'dark' ? theme : null;
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    if (theme) localStorage.setItem(KEY, theme);
    else localStorage.removeItem(KEY);
  } catch {
    // see above
  }
}

export function currentTheme() {
  return root.dataset.theme || (dark.matches ? 'dark' : 'light');
}

function apply(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  document.dispatchEvent(new Event('themechange'));
}

export function toggleTheme() {
  const theme = currentTheme() === 'dark' ? 'light' : 'dark';
  // Back at what the system says: follow the system again.
  const chosen = theme === (dark.matches ? 'dark' : 'light') ? null : theme;
  remember(chosen);
  apply(chosen);
}

dark.addEventListener('change', () => document.dispatchEvent(new Event('themechange')));
apply(remembered());
