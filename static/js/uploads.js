/* The upload field of a paper (templates/affiliates/paper_field.html): previews of what was chosen, a progress bar,
   and a file that is too large said before it is sent. Without this script the form works as a plain form.

   data-upload     the form; data-max-bytes, data-too-large, data-sending, data-checking, data-lost
   data-previews, data-progress, data-status, data-refused   its places */
(function () {
  "use strict";

  var EDGE = 96;

  function formOf(node) { return node && node.closest ? node.closest("form[data-upload]") : null; }

  function part(form, name) { return form.querySelector("[data-" + name + "]"); }

  function chosen(form) {
    var files = [];
    form.querySelectorAll("input[type=file]").forEach(function (input) {
      files = files.concat(Array.prototype.slice.call(input.files));
    });
    return files;
  }

  function tooLarge(form) {
    return chosen(form).filter(function (file) { return file.size > Number(form.dataset.maxBytes); });
  }

  function preview(file) {
    var figure = document.createElement("figure");
    var caption = document.createElement("figcaption");
    caption.textContent = file.name;
    caption.title = file.name;
    var blank = document.createElement("div");
    blank.className = "paper-blank";
    blank.textContent = file.type === "application/pdf" ? "PDF" : "…";
    figure.append(blank, caption);
    if (file.type.indexOf("image/") === 0 && window.createImageBitmap) {
      // Drawn, not linked: the policy allows no blob: addresses.
      window.createImageBitmap(file).then(function (bitmap) {
        var canvas = document.createElement("canvas");
        var scale = Math.min(EDGE / bitmap.width, EDGE / bitmap.height);
        canvas.width = canvas.height = EDGE;
        canvas.getContext("2d").drawImage(
          bitmap, (EDGE - bitmap.width * scale) / 2, (EDGE - bitmap.height * scale) / 2,
          bitmap.width * scale, bitmap.height * scale
        );
        bitmap.close();
        blank.replaceWith(canvas);
      }, function () { blank.textContent = "?"; });
    }
    return figure;
  }

  document.addEventListener("change", function (event) {
    var form = formOf(event.target);
    if (!form || event.target.type !== "file") { return; }
    var previews = part(form, "previews");
    previews.replaceChildren.apply(previews, chosen(form).slice(0, 20).map(preview));
    part(form, "refused").textContent = tooLarge(form).map(function (file) {
      return form.dataset.tooLarge + " " + file.name;
    }).join("\n");
  });

  document.addEventListener("submit", function (event) {
    var form = formOf(event.target);
    if (form && tooLarge(form).length) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, true);

  function progress(form, percent, text) {
    var place = part(form, "progress");
    place.hidden = false;
    place.querySelector("progress").value = percent;
    part(form, "status").textContent = text;
  }

  document.addEventListener("htmx:beforeRequest", function (event) {
    var form = formOf(event.target);
    if (!form) { return; }
    part(form, "refused").textContent = "";
    form.querySelector("button[type=submit]").disabled = true;
    progress(form, 0, form.dataset.sending);
  });

  document.addEventListener("htmx:xhr:progress", function (event) {
    var form = formOf(event.target);
    if (!form || !event.detail.lengthComputable) { return; }
    var percent = Math.round(100 * event.detail.loaded / event.detail.total);
    progress(form, percent, percent < 100 ? percent + " %" : form.dataset.checking);
  });

  document.addEventListener("htmx:sendError", function (event) {
    var form = formOf(event.target);
    if (!form) { return; }
    part(form, "refused").textContent = form.dataset.lost;
    part(form, "progress").hidden = true;
    form.querySelector("button[type=submit]").disabled = false;
    delete form.dataset.sent;
  });

  document.addEventListener("htmx:responseError", function (event) {
    var form = formOf(event.target);
    if (!form || event.detail.xhr.status === 422) { return; }
    part(form, "refused").textContent = form.dataset.lost;
    part(form, "progress").hidden = true;
    form.querySelector("button[type=submit]").disabled = false;
    delete form.dataset.sent;
  });

  // A refusal (422) comes with the field and its reason: show it like any answer.
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.xhr.status === 422) { event.detail.shouldSwap = true; event.detail.isError = false; }
  });

  // What was swapped takes the focus, so that a keyboard goes on where it was.
  document.addEventListener("htmx:afterSwap", function (event) {
    var field = document.getElementById(event.detail.target.id);
    if (field && field.matches(".paper-field")) {
      var alert = field.querySelector("[role=alert]:not(:empty)");
      (alert || field).setAttribute("tabindex", "-1");
      (alert || field).focus({ preventScroll: false });
    }
  });
}());
