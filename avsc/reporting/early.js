"use strict";
// Before anything is drawn: what needs the script waits for it, and the reader's theme is there.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("avsc-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // no storage: the system's theme
}
