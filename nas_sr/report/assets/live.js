"use strict";
// Asks every few seconds whether the study has gone on. Then the page is loaded anew, or, where the reader has done
// something in it, offers that.
(() => {
  const notice = document.getElementById("live");
  let known = null;
  let touched = false;
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = true; });
  notice.querySelector("button").addEventListener("click", () => location.reload());
  setInterval(async () => {
    let version;
    try {
      const answer = await fetch("version");
      if (!answer.ok) return;
      version = await answer.text();
    } catch {
      return;  // the server has ended; the page stays as it is
    }
    known ??= version;
    if (version === known) return;
    if (touched) notice.hidden = false;
    else location.reload();
  }, 5000);
})();
