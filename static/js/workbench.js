/* The reviewer's workbench: looking closer, comparing, and shortcuts that can be switched off. Works without it. */
(function () {
  "use strict";
  var root = document.querySelector("[data-workbench]");
  if (!root) { return; }
  var papers = Array.prototype.slice.call(root.querySelectorAll("[data-paper]"));
  var current = 0, zoom = 1, on = root.dataset.shortcuts !== "off";
  var help = root.querySelector("dialog"), tools = root.querySelector("[data-tools]");

  function draw(page) {
    var image = page.querySelector("img");
    if (!image) { return; }
    var quarter = Number(page.dataset.turn || 0);
    // On top of how the applicant turned it, which the stylesheet does.
    image.style.transform = quarter ? "rotate(" + (Number(image.dataset.rotation || 0) + quarter * 90) + "deg)" : "";
    image.style.maxWidth = zoom === 1 ? "" : 30 * zoom + "rem";
    image.style.width = zoom === 1 ? "" : 30 * zoom + "rem";
  }
  function drawAll() { root.querySelectorAll("[data-page]").forEach(draw); }
  function show(index) {
    if (!papers.length) { return; }
    papers[current].classList.remove("is-current");
    current = (index + papers.length) % papers.length;
    papers[current].classList.add("is-current");
    papers[current].focus({ preventScroll: true });
    papers[current].scrollIntoView({ block: "start" });
  }
  function turn() {
    papers[current].querySelectorAll("[data-page]").forEach(function (page) {
      page.dataset.turn = (Number(page.dataset.turn || 0) + 1) % 4;
      draw(page);
    });
  }
  function larger(step) { zoom = Math.min(4, Math.max(0.5, zoom + step)); drawAll(); }
  function compare() {
    var is = root.classList.toggle("is-comparing");
    root.querySelector("[data-compare]").setAttribute("aria-pressed", String(is));
  }
  if (tools) {
    tools.hidden = false;
    tools.addEventListener("click", function (event) {
      var button = event.target.closest("button");
      if (!button) { return; }
      if (button.dataset.zoom) { larger(button.dataset.zoom === "in" ? 0.5 : -0.5); }
      if ("rotate" in button.dataset) { turn(); }
      if ("compare" in button.dataset) { compare(); }
    });
  }
  papers.forEach(function (paper, index) {
    paper.addEventListener("focusin", function () {
      papers[current].classList.remove("is-current");
      current = index;
      paper.classList.add("is-current");
    });
  });
  var opener = root.querySelector("[data-help]");
  opener.hidden = false;
  opener.addEventListener("click", function () { help.showModal(); });
  root.querySelector("[data-shortcuts-switch]").addEventListener("change", function (event) {
    on = event.target.checked;
    document.cookie = "shortcuts=" + (on ? "on" : "off") + "; path=/admin/; max-age=31536000; SameSite=Lax";
  });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) { return; }
    if (event.target.closest("input, textarea, select")) { return; }
    if (!on && event.key !== "?") { return; }
    var act = {
      j: function () { show(current + 1); },
      k: function () { show(current - 1); },
      "+": function () { larger(0.5); },
      "=": function () { larger(0.5); },
      "-": function () { larger(-0.5); },
      r: turn,
      v: compare,
      a: function () { var button = papers[current] && papers[current].querySelector("[data-accept]"); if (button) { button.click(); } },
      x: function () { var field = papers[current] && papers[current].querySelector("[data-reason]"); if (field) { field.focus(); } },
      "?": function () { help.showModal(); }
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
})();
