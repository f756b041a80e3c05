// Runs before the page is drawn, so that a theme that was chosen does not come after another.
try {
  const theme = JSON.parse(localStorage.getItem('caldera.theme'));
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // No storage, or not ours: the system's theme.
}
