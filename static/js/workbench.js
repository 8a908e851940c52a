/* The workbench with a script: one paper at a time, zoom, side by side, shortcuts, tabs, a lease that is kept alive.
   Without it the page shows everything one below the other and its forms work the same. */
(function () {
  "use strict";

  var root = document.querySelector("[data-workbench]");
  var viewer = root && root.querySelector("[data-viewer]");
  if (!viewer) { return; }

  function all(selector, from) { return Array.prototype.slice.call((from || root).querySelectorAll(selector)); }
  function make(name, className, text) {
    var element = document.createElement(name);
    if (className) { element.className = className; }
    if (text) { element.textContent = text; }
    return element;
  }

  // --- the viewer -------------------------------------------------------------------------------------------
  var tools = viewer.querySelector("[data-tools]");
  var tabs = viewer.querySelector("[data-tabs]");
  var thumbs = viewer.querySelector("[data-thumbs]");
  var compareButton = viewer.querySelector("[data-compare]");
  var versionsButton = viewer.querySelector("[data-versions]");
  var level = viewer.querySelector("[data-zoom-level]");
  var papers = all("[data-paper]", viewer);
  var current = 0, page = 0, zoom = 1, comparing = false, versions = false;

  function pagesOf(paper) { return all("[data-version='current'] [data-page]", paper); }
  function load(element) { all("img", element).forEach(function (image) { image.loading = "eager"; }); }

  function draw() {
    viewer.classList.toggle("is-side", comparing);
    papers.forEach(function (paper, index) {
      var pages = pagesOf(paper);
      var isCompared = comparing && ["business_licence", "id_front", "face"].indexOf(paper.dataset.paper) >= 0;
      var isShown = comparing ? isCompared : index === current;
      paper.classList.toggle("is-shown", isShown);
      paper.classList.toggle("is-versions", isShown && versions);
      pages.forEach(function (one, number) {
        one.classList.toggle("is-shown", comparing ? number === 0 : versions || number === page);
      });
      all("[data-earlier]", paper).forEach(function (earlier) {
        var open = isShown && versions && !comparing;
        earlier.classList.toggle("is-shown", open);
        earlier.open = open;
        if (open) { load(earlier); }
      });
      if (isShown) { if (comparing) { if (pages[0]) { load(pages[0]); } } else { load(paper.querySelector("[data-version='current']") || paper); } }
    });
    all("button", tabs).forEach(function (button, index) {
      if (!comparing && index === current) { button.setAttribute("aria-current", "true"); } else { button.removeAttribute("aria-current"); }
      button.setAttribute("aria-pressed", String(!comparing && index === current));
    });
    compareButton.setAttribute("aria-pressed", String(comparing));
    versionsButton.setAttribute("aria-pressed", String(versions));
    versionsButton.disabled = comparing || !papers[current].querySelector("[data-earlier]");
    drawThumbs();
    viewer.style.setProperty("--zoom", String(zoom));
    level.textContent = Math.round(zoom * 100) + "\u00a0%";
  }

  function drawThumbs() {
    thumbs.textContent = "";
    var pages = pagesOf(papers[current]);
    if (comparing || versions || pages.length < 2) { return; }
    pages.forEach(function (one, number) {
      var button = make("button", "wb-thumb");
      button.type = "button";
      button.setAttribute("aria-label", tools.dataset.tPage + " " + (number + 1));
      if (number === page) { button.setAttribute("aria-current", "true"); }
      button.addEventListener("click", function () { page = number; draw(); focusThumb(number); });
      var image = one.querySelector("img");
      // Drawn from the picture that is shown anyway: another request would be another look in the access log.
      function paint() {
        var canvas = make("canvas");
        var scale = 56 / Math.max(image.naturalWidth, image.naturalHeight);
        canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
        canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        button.textContent = "";
        button.appendChild(canvas);
      }
      button.textContent = String(number + 1);
      if (image) {
        if (image.complete && image.naturalWidth) { paint(); } else { image.addEventListener("load", paint, { once: true }); }
      }
      thumbs.appendChild(button);
    });
  }

  function focusThumb(number) { var button = thumbs.children[number]; if (button) { button.focus(); } }

  function show(index) { if (papers[index]) { current = index; page = 0; comparing = false; versions = false; draw(); } }
  function turnPage(by) {
    var count = pagesOf(papers[current]).length;
    if (count) { page = (page + by + count) % count; draw(); }
  }
  function setZoom(value) { zoom = Math.min(5, Math.max(.25, value)); draw(); }
  function compare() { comparing = !comparing; versions = false; draw(); }
  function showVersions() { if (!versionsButton.disabled) { versions = !versions; draw(); } }

  function rotate() {
    var one = pagesOf(papers[current])[page];
    var form = one && one.querySelector("[data-rotate]");
    var box = one && one.querySelector(".wb-turn");
    if (!box) { return; }
    box.dataset.rotation = String((Number(box.dataset.rotation || 0) + 90) % 360);
    // Kept for whoever looks next; what the eye sees doesn't wait for it.
    if (form) { fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin", redirect: "manual" }); }
  }

  function toneOf(paper) {
    var chip = document.querySelector("#wb-head-" + paper.dataset.paper + " [data-tone]");
    return chip ? chip.dataset.tone : "neutral";
  }

  function drawTabs() {
    tabs.textContent = "";
    papers.forEach(function (paper, index) {
      var button = make("button", "wb-tool");
      var dot = make("span", "wb-tab-dot");
      button.type = "button";
      dot.dataset.tone = toneOf(paper);
      button.appendChild(dot);
      button.appendChild(document.createTextNode((index + 1) + " " + paper.dataset.label));
      button.addEventListener("click", function () { show(index); });
      tabs.appendChild(button);
    });
  }

  if (papers.length) {
    viewer.classList.add("is-live");
    tools.hidden = false;
    var turn = make("button", "wb-tool", "");
    turn.type = "button";
    var label = viewer.querySelector("[data-rotate] button");
    if (label) {
      turn.textContent = label.firstChild && label.childNodes.length > 1 ? label.childNodes[1].textContent.trim() : "";
      turn.prepend(label.querySelector("svg").cloneNode(true), " ");
      turn.addEventListener("click", rotate);
      viewer.querySelector("[data-zoom-fit]").after(turn);
    }
    viewer.querySelector("[data-zoom-in]").addEventListener("click", function () { setZoom(zoom * 1.25); });
    viewer.querySelector("[data-zoom-out]").addEventListener("click", function () { setZoom(zoom / 1.25); });
    viewer.querySelector("[data-zoom-fit]").addEventListener("click", function () { setZoom(1); });
    compareButton.addEventListener("click", compare);
    versionsButton.addEventListener("click", showVersions);
    drawTabs();
    draw();
    drag();
  }

  // A magnified page is moved by dragging it.
  function drag() {
    var held = null;
    viewer.addEventListener("pointerdown", function (event) {
      var frame = event.target.closest(".wb-frame");
      if (!frame || event.button !== 0 || event.pointerType === "touch") { return; }
      held = { frame: frame, x: event.clientX, y: event.clientY, left: frame.scrollLeft, top: frame.scrollTop };
      event.preventDefault();
      frame.focus({ preventScroll: true });
    });
    window.addEventListener("pointermove", function (event) {
      if (!held) { return; }
      held.frame.scrollLeft = held.left - (event.clientX - held.x);
      held.frame.scrollTop = held.top - (event.clientY - held.y);
    });
    window.addEventListener("pointerup", function () { held = null; });
  }

  // --- reasons: of the chosen one only, in both languages ---------------------------------------------------
  function wordings(from) {
    all("[data-reasons-of]", from).forEach(function (box) {
      var select = document.getElementById(box.dataset.reasonsOf);
      if (!select) { return; }
      function update() {
        all("[data-reason]", box).forEach(function (one) { one.hidden = one.dataset.reason !== select.value; });
        box.hidden = !select.value;
        box.open = Boolean(select.value);
      }
      select.addEventListener("change", update);
      update();
    });
  }
  wordings(root);

  // The judged paper is the one to look at.
  root.addEventListener("focusin", function (event) {
    var judge = event.target.closest("[data-judge]");
    if (!judge || comparing) { return; }
    var index = papers.findIndex(function (paper) { return paper.dataset.paper === judge.dataset.judge; });
    if (index >= 0 && index !== current) { show(index); }
  });

  // --- what was typed is not lost by leaving ----------------------------------------------------------------
  var sending = false;
  function unsaved() {
    return all("form[data-keep] textarea").some(function (area) { return area.value !== area.defaultValue; });
  }
  root.addEventListener("submit", function (event) { if (event.target.matches("form[data-keep]")) { sending = true; } });
  window.addEventListener("beforeunload", function (event) { if (!sending && unsaved()) { event.preventDefault(); } });

  // After a verdict the page is renewed in parts (htmx): say so to the viewer, and put the focus where the person was.
  document.body.addEventListener("htmx:afterSwap", function (event) {
    sending = false;
    wordings(root);
    if (papers.length) { drawTabs(); draw(); }
    var fresh = event.target.id && document.getElementById(event.target.id);
    var first = fresh && (fresh.querySelector("[role='alert']") || fresh.querySelector("h4") || fresh);
    if (first) { first.tabIndex = -1; first.focus({ preventScroll: true }); }
  });
  document.body.addEventListener("htmx:sendError", function () { sending = false; });

  // --- notes, history and access log as tabs ----------------------------------------------------------------
  var logs = root.querySelector("[data-logs]");
  var sections = all("[data-log]", logs);
  var bar = make("div", "wb-tabs");
  bar.setAttribute("role", "tablist");
  sections.forEach(function (section, index) {
    var title = section.querySelector("h2");
    var tab = make("button", "wb-tool", title.textContent);
    section.id = section.id || "wb-log-" + index;
    tab.type = "button";
    tab.id = section.id + "-tab";
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", section.id);
    section.setAttribute("role", "tabpanel");
    section.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", function () { choose(index); });
    tab.addEventListener("keydown", function (event) {
      var by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (by) { choose((index + by + sections.length) % sections.length).focus(); event.preventDefault(); }
    });
    bar.appendChild(tab);
  });
  function choose(chosen) {
    sections.forEach(function (section, index) {
      section.hidden = index !== chosen;
      bar.children[index].setAttribute("aria-selected", String(index === chosen));
      bar.children[index].tabIndex = index === chosen ? 0 : -1;
    });
    return bar.children[chosen];
  }
  logs.prepend(bar);
  choose(0);

  // --- shortcuts, which can be switched off -----------------------------------------------------------------
  var KEY = "workbench-shortcuts";
  var help = root.querySelector("[data-help]");
  var opener = root.querySelector("[data-help-open]");
  var checkbox = root.querySelector("[data-keys]");
  function remembered() { try { return window.localStorage.getItem(KEY) !== "off"; } catch (error) { return true; } }
  checkbox.checked = remembered();
  checkbox.addEventListener("change", function () {
    try { window.localStorage.setItem(KEY, checkbox.checked ? "on" : "off"); } catch (error) { /* for this page only */ }
  });
  function openHelp() { if (!help.open) { help.showModal(); } }
  function listen() {
    opener = root.querySelector("[data-help-open]");
    opener.hidden = false;
    opener.addEventListener("click", openHelp);
  }
  listen();
  document.body.addEventListener("htmx:oobAfterSwap", function (event) { if (event.target.id === "wb-status") { listen(); } });

  function judgeOfCurrent() { return papers[current] && document.getElementById("judge-" + papers[current].dataset.paper); }
  function focusOn(element) { if (element) { element.focus(); element.scrollIntoView({ block: "nearest" }); } }
  var KEYS = {
    j: function () { turnPage(1); },
    k: function () { turnPage(-1); },
    "+": function () { setZoom(zoom * 1.25); },
    "=": function () { setZoom(zoom * 1.25); },
    "-": function () { setZoom(zoom / 1.25); },
    0: function () { setZoom(1); },
    r: rotate,
    c: compare,
    v: showVersions,
    a: function () { var judge = judgeOfCurrent(); var button = judge && judge.querySelector("[data-accept]"); if (button) { button.click(); } },
    x: function () {
      var judge = judgeOfCurrent(), folded = judge && judge.querySelector(".wb-change");
      if (folded) { folded.open = true; }
      focusOn(judge && judge.querySelector("select"));
    },
    n: function () { choose(0); focusOn(document.getElementById("id_note_text")); },
    d: function () { focusOn(root.querySelector("#wb-decision a")); },
    "?": openHelp
  };
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || !checkbox.checked) { return; }
    if (event.target.closest("input, textarea, select, [contenteditable]")) { return; }
    if (/^[1-9]$/.test(event.key)) { show(Number(event.key) - 1); event.preventDefault(); return; }
    var act = KEYS[event.key];
    if (act) { act(); event.preventDefault(); }
  });

  // --- the lease: whoever works here keeps it, whoever leaves the desk doesn't ------------------------------
  var active = false;
  ["keydown", "pointerdown", "input"].forEach(function (name) {
    document.addEventListener(name, function () { active = true; }, { passive: true });
  });
  window.setInterval(function () {
    if (!active || !root.dataset.extend) { return; }
    active = false;
    var token = root.querySelector("[name=csrfmiddlewaretoken]");
    fetch(root.dataset.extend, {
      method: "POST", credentials: "same-origin", headers: { "X-Quiet": "1", "X-CSRFToken": token ? token.value : "" }
    }).then(function (answer) {
      return answer.json().then(function (told) {
        var lost = root.querySelector("[data-lease-lost]");
        var until = root.querySelector("[data-until]");
        if (answer.ok) { lost.hidden = true; if (until) { until.textContent = told.until; } return; }
        lost.querySelector("[data-told]").textContent = told.refusal;
        lost.hidden = false;
      });
    }).catch(function () { active = true; });
  }, 5 * 60 * 1000);
}());
