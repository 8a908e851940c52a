/* Small comforts on top of pages that work without them. No inline handlers: everything hangs on data attributes.

   data-copy="text"         copies the text, says so in data-copied
   data-autosubmit          a form that sends itself when a control changes
   data-chart="script-id"   a canvas drawn by Chart.js from a json_script (see static/js/charts.js) */
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) { return; }
    event.preventDefault();
    navigator.clipboard.writeText(button.dataset.copy).then(function () {
      var label = button.querySelector("[data-copy-label]") || button;
      var before = label.textContent;
      label.textContent = button.dataset.copied || before;
      window.setTimeout(function () { label.textContent = before; }, 1600);
    });
  });

  document.addEventListener("change", function (event) {
    var form = event.target.form;
    if (form && form.hasAttribute("data-autosubmit")) { form.requestSubmit(); }
  });

  // A form is sent once: the second press of an impatient finger does nothing.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post" || event.defaultPrevented) { return; }
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    window.setTimeout(function () { delete form.dataset.sent; }, 4000);
  });
}());
