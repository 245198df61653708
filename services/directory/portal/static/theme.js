// Choose the colours before anything is shown: what the viewer chose, or what the system has.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    try { return localStorage.getItem("theme") || "auto"; } catch (error) { return "auto"; }
  }
  function show() {
    var wanted = chosen();
    document.documentElement.dataset.bsTheme = wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
  }
  show();
  dark.addEventListener("change", show);
  window.musterTheme = {
    chosen: chosen,
    choose: function (wanted) {
      try { localStorage.setItem("theme", wanted); } catch (error) { /* It holds for this page only. */ }
      show();
    },
  };
})();
