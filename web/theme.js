// A classic script in the head, so that a chosen theme holds before the first paint.
(() => {
  const chosen = localStorage.getItem('reenact.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
