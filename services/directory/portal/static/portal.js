// What pages do beyond links, forms and htmx: times in the viewer's zone, copying, the menu, colours.
(function () {
  "use strict";
  var short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  var exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

  function times(root) {
    root.querySelectorAll("time[datetime]:not([data-shown])").forEach(function (tag) {
      var moment = new Date(tag.dateTime);
      tag.title = exact.format(moment) + " \u2013 " + tag.title;
      tag.textContent = short.format(moment);
      tag.dataset.shown = "";
    });
  }

  function copy(button) {
    var field = document.getElementById(button.dataset.copy);
    var word = button.querySelector("[data-copy-word]");
    field.select();
    function done() {
      word.textContent = "Copied";
      setTimeout(function () { word.textContent = "Copy"; }, 2000);
    }
    if (navigator.clipboard) { navigator.clipboard.writeText(field.value).then(done, function () {}); }
    else if (document.execCommand("copy")) { done(); }
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) { return; }
    if (button.dataset.copy) { copy(button); }
    if (button.dataset.menu !== undefined) {
      button.setAttribute("aria-expanded", String(document.body.classList.toggle("menu-open")));
    }
    if (button.dataset.themeChoice) { window.musterTheme.choose(button.dataset.themeChoice); themes(); }
  });

  document.addEventListener("change", function (event) {
    var form = event.target.closest("form[data-auto]");
    if (form) { form.requestSubmit(); }
  });

  function themes() {
    document.querySelectorAll(".themes").forEach(function (group) { group.hidden = false; });
    document.querySelectorAll("[data-theme-choice]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === window.musterTheme.chosen()));
    });
  }

  // The code of a sign-in link stands behind the #, which is sent to nobody; it is taken out of the address, too.
  function link() {
    var form = document.querySelector("[data-link-form]");
    if (form && location.hash.length > 1) {
      form.elements.code.value = location.hash.slice(1);
      history.replaceState(null, "", location.pathname);
      form.querySelector("button").focus();
    }
  }

  // The export has the same filters as what is shown.
  function exported() {
    var button = document.querySelector("[data-export]");
    if (button) { button.href = button.dataset.export + location.search; }
  }

  // What shows the present is sent by a stream while the page is seen; while there is none, htmx asks again and again.
  // A browser has few connections to a server, so pages behind others have none.
  var stream = null;
  var isStreaming = false;

  function end() {
    if (stream) { stream.close(); }
    stream = null;
    isStreaming = false;
  }

  function show(event) {
    window.htmx.swap(document.querySelector("[data-live]"), event.data, { swapStyle: "outerHTML" });
    times(document);
  }

  function live() {
    var part = document.querySelector("[data-live]");
    if (!part || stream || document.hidden) { return; }
    stream = new EventSource(part.dataset.live);
    stream.addEventListener("part", show);
    stream.addEventListener("over", end);
    stream.addEventListener("open", function () {
      isStreaming = true;
      window.htmx.trigger("[data-live]", "htmx:abort");
      document.querySelector("[data-live]").classList.remove("old");
    });
    stream.addEventListener("error", function () {
      isStreaming = false;
      if (stream && stream.readyState === EventSource.CLOSED) { end(); setTimeout(live, 30000); }
    });
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    if (event.detail.elt.dataset.live !== undefined && (isStreaming || document.hidden)) { event.preventDefault(); }
  });
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) { end(); } else { live(); }
  });
  window.addEventListener("pagehide", end);
  window.addEventListener("pageshow", live);

  // It stays as it is while it cannot be asked for either, and says that it is old.
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.target.dataset.live !== undefined && event.detail.xhr.status >= 400) {
      event.detail.shouldSwap = false;
      event.target.classList.add("old");
    }
  });
  document.addEventListener("htmx:sendError", function (event) {
    if (event.target.dataset.live !== undefined) { event.target.classList.add("old"); }
  });
  document.addEventListener("htmx:afterSwap", function (event) { times(document); });
  document.addEventListener("htmx:replacedInHistory", exported);
  times(document);
  themes();
  link();
  window.addEventListener("hashchange", link);
})();
