// Before the first paint, so that a chosen theme does not flash: a classic script, on purpose.
document.documentElement.dataset.theme = localStorage.getItem('palimpsest-theme') ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
