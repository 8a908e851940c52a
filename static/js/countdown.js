/* Counts down to the moment of the <time> inside each [data-countdown]; the page says it in words without this.
   At zero it shows the text of data-done. */
(function () {
  "use strict";

  function two(number) { return String(number).padStart(2, "0"); }

  function clock(seconds) {
    var hours = Math.floor(seconds / 3600);
    var rest = two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60);
    return hours ? hours + ":" + rest : rest;
  }

  document.querySelectorAll("[data-countdown]").forEach(function (element) {
    var time = element.querySelector("time");
    if (!time) { return; }
    var due = Date.parse(time.dateTime);
    var timer = 0;

    function tick() {
      var left = Math.ceil((due - Date.now()) / 1000);
      // Days ahead, words say more than a clock.
      if (left > 36 * 3600) { return; }
      time.textContent = left > 0 ? clock(left) : element.dataset.done;
      if (left <= 0) { window.clearInterval(timer); }
    }

    timer = window.setInterval(tick, 1000);
    tick();
  });
}());
